// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "./Bn254.sol";
import {ReferenceString} from "./ReferenceString.sol";
import {OpeningTranscript} from "./Transcript.sol";

/// @title Openings of chunks: these are the entries k0 .. k0 + m - 1 of the committed vector.
/// @dev Notation and steps are those of docs/protocol.md, "Chunk openings"; the same computation as
/// aggregator/proofs/opening.py. Seven multiplications of points and one product of two pairings, and O(m) arithmetic.
abstract contract ChunkOpening is ReferenceString {
    using Bn254 for Bn254.Sum;

    uint256 private constant OPENING_BYTES = 352;
    uint256 private constant MAX_CHUNK = 128;
    uint256 private constant R = Bn254.R;

    error Opening_WrongLength(bytes32 field, uint256 length);
    error Opening_OutOfRange(uint256 start, uint256 powers);
    error Opening_InvalidValue(uint256 index);
    error Opening_InvalidPoint(bytes32 message);
    error Opening_InvalidScalar(bytes32 message);
    error Opening_WrongProof();

    /// @dev What is opened, and for which round.
    struct OpeningStatement {
        uint256 chainId;
        address market;
        uint256 jobId;
        uint32 round;
        IProofVerifier.Point commitment; // C, a point or infinity
        uint256 start; // k0
        uint256[] values; // m field elements
    }

    /// @dev The prover's messages, 352 bytes.
    struct OpeningProof {
        uint256 positiveX; // S+
        uint256 positiveY;
        uint256 negativeX; // S-
        uint256 negativeY;
        uint256 vectorAtZ; // U(z)
        uint256 positiveAtZ; // s+(z)
        uint256 blindingAtZ; // H(z)
        uint256 quotientX; // W1
        uint256 quotientY;
        uint256 inverseQuotientX; // W2
        uint256 inverseQuotientY;
    }

    struct OpeningChallenges {
        uint256 rho;
        uint256 z;
        uint256 gamma;
        uint256 delta;
    }

    /// @dev Reverts unless the proof shows the statement.
    function _verifyOpening(OpeningStatement memory s, bytes memory proof) internal view {
        _checkOpeningStatement(s);
        OpeningProof memory p = _openingProof(proof);
        OpeningChallenges memory c = _openingChallenges(s, p);
        uint256 inverse = Bn254.inverse(c.z);
        uint256 negativeAtInverse = _negativeAtInverse(s, p, c, inverse);

        // E1 + z W1 + delta (E2 + W2 / z), where E1 = C + gamma S+ - (U(z) + gamma s+(z)) [1] - H(z) [eta] and
        // E2 = S- - s-(1/z) [1]
        Bn254.Sum memory opened = Bn254.Sum(s.commitment.x, s.commitment.y, 0, 0, 0);
        opened.addScaled(p.positiveX, p.positiveY, c.gamma);
        opened.addScaled(p.negativeX, p.negativeY, c.delta);
        uint256 constantTerm = addmod(
            addmod(p.vectorAtZ, mulmod(c.gamma, p.positiveAtZ, R), R), mulmod(c.delta, negativeAtInverse, R), R
        );
        opened.addScaled(Bn254.G1_X, Bn254.G1_Y, R - constantTerm);
        opened.addScaled(_etaX, _etaY, R - p.blindingAtZ);
        opened.addScaled(p.quotientX, p.quotientY, c.z);
        opened.addScaled(p.inverseQuotientX, p.inverseQuotientY, mulmod(c.delta, inverse, R));

        Bn254.Sum memory quotients = Bn254.Sum(p.quotientX, p.quotientY, 0, 0, 0);
        quotients.addScaled(p.inverseQuotientX, p.inverseQuotientY, c.delta);
        _checkOpening(opened, quotients);
    }

    /// @dev The end of the chunk is bounded by the number of powers: of X^k0 the argument sees only a value at a point,
    /// and that is the same for k0 and k0 + R - 1.
    function _checkOpeningStatement(OpeningStatement memory s) private view {
        uint256 m = s.values.length;
        if (m == 0 || m > MAX_CHUNK) revert Opening_WrongLength("values", m);
        if (s.start > srsSize || s.start + m > srsSize) revert Opening_OutOfRange(s.start, srsSize);
        if (!Bn254.isPointOrInfinity(s.commitment.x, s.commitment.y)) revert Opening_InvalidPoint("commitment");
        for (uint256 t = 0; t < m; ++t) {
            if (s.values[t] >= R) revert Opening_InvalidValue(t);
        }
    }

    /// @dev The proof's words, each in the one encoding that it has.
    function _openingProof(bytes memory proof) private pure returns (OpeningProof memory p) {
        if (proof.length != OPENING_BYTES) revert Opening_WrongLength("proof", proof.length);
        p = abi.decode(proof, (OpeningProof));
        if (!Bn254.isPointOrInfinity(p.positiveX, p.positiveY)) revert Opening_InvalidPoint("positive");
        if (!Bn254.isPointOrInfinity(p.negativeX, p.negativeY)) revert Opening_InvalidPoint("negative");
        if (!Bn254.isPointOrInfinity(p.quotientX, p.quotientY)) revert Opening_InvalidPoint("quotient");
        if (!Bn254.isPointOrInfinity(p.inverseQuotientX, p.inverseQuotientY)) {
            revert Opening_InvalidPoint("inverseQuotient");
        }
        if (p.vectorAtZ >= R) revert Opening_InvalidScalar("vectorAtZ");
        if (p.positiveAtZ >= R) revert Opening_InvalidScalar("positiveAtZ");
        if (p.blindingAtZ >= R) revert Opening_InvalidScalar("blindingAtZ");
    }

    function _openingChallenges(OpeningStatement memory s, OpeningProof memory p)
        private
        view
        returns (OpeningChallenges memory c)
    {
        bytes memory statement = abi.encodePacked(
            abi.encode(srsDigest, s.chainId, s.market, s.jobId, s.round),
            abi.encode(s.commitment.x, s.commitment.y, s.start, s.values.length),
            s.values
        );
        OpeningTranscript.Stated stated;
        OpeningTranscript.Crossed crossed;
        OpeningTranscript.Evaluated evaluated;
        (stated, c.rho) = OpeningTranscript.begin(statement);
        (crossed, c.z) =
            OpeningTranscript.cross(stated, abi.encode(p.positiveX, p.positiveY, p.negativeX, p.negativeY));
        (evaluated, c.gamma) =
            OpeningTranscript.evaluations(crossed, abi.encode(p.vectorAtZ, p.positiveAtZ, p.blindingAtZ));
        c.delta = OpeningTranscript.quotients(
            evaluated, abi.encode(p.quotientX, p.quotientY, p.inverseQuotientX, p.inverseQuotientY)
        );
    }

    /// @dev s-(1/z) = z (U(z) v(1/z) - y - z s+(z)), which says that y = sum_t rho^t values_t is the constant term of
    /// U(X) v(1/X), v(X) = sum_t rho^t X^(k0 + t).
    function _negativeAtInverse(OpeningStatement memory s, OpeningProof memory p, OpeningChallenges memory c, uint256 inverse)
        private
        view
        returns (uint256)
    {
        uint256 y = 0;
        uint256 v = 0;
        uint256 ratio = mulmod(c.rho, inverse, R);
        for (uint256 t = s.values.length; t > 0; --t) {
            y = addmod(mulmod(y, c.rho, R), s.values[t - 1], R);
            v = addmod(mulmod(v, ratio, R), 1, R);
        }
        v = mulmod(v, Bn254.power(inverse, s.start), R);
        uint256 rest = addmod(y, mulmod(c.z, p.positiveAtZ, R), R);
        return mulmod(c.z, addmod(mulmod(p.vectorAtZ, v, R), R - rest, R), R);
    }

    /// @dev e(opened, [1]) e(-quotients, [tau]) = 1.
    function _checkOpening(Bn254.Sum memory opened, Bn254.Sum memory quotients) private view {
        uint256[12] memory input = [
            opened.x,
            opened.y,
            Bn254.G2_X_IMAG,
            Bn254.G2_X_REAL,
            Bn254.G2_Y_IMAG,
            Bn254.G2_Y_REAL,
            quotients.x,
            Bn254.negated(quotients.y),
            _tauG2XImag,
            _tauG2XReal,
            _tauG2YImag,
            _tauG2YReal
        ];
        if (!Bn254.pairing2(input)) revert Opening_WrongProof();
    }
}
