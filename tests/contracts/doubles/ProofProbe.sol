// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bn254} from "../../../contracts/libraries/Bn254.sol";
import {ChunkOpening} from "../../../contracts/libraries/ChunkOpening.sol";
import {ReferenceString} from "../../../contracts/libraries/ReferenceString.sol";
import {GramTranscript, OpeningTranscript, Transcript} from "../../../contracts/libraries/Transcript.sol";

/// @title The verifiers' parts, one by one: curve, transcripts, openings.
contract ProofProbe is ChunkOpening {
    using Bn254 for Bn254.Sum;

    constructor(uint256[18] memory words) ReferenceString(words) {}

    function verifyOpening(OpeningStatement calldata statement, bytes calldata proof) external view {
        _verifyOpening(statement, proof);
    }

    // -- curve and field

    function isPoint(uint256 x, uint256 y) external pure returns (bool) {
        return Bn254.isPoint(x, y);
    }

    function isPointOrInfinity(uint256 x, uint256 y) external pure returns (bool) {
        return Bn254.isPointOrInfinity(x, y);
    }

    function compress(uint256 x, uint256 y) external pure returns (bytes32) {
        return Bn254.compress(x, y);
    }

    function negated(uint256 y) external pure returns (uint256) {
        return Bn254.negated(y);
    }

    function combine(uint256[2][] memory points, uint256[] memory scalars) external view returns (uint256, uint256) {
        Bn254.Sum memory sum;
        for (uint256 i = 0; i < points.length; ++i) {
            sum.addScaled(points[i][0], points[i][1], scalars[i]);
        }
        return (sum.x, sum.y);
    }

    /// @dev Gas of two additions of a multiple.
    function gasOfTwo(uint256 x, uint256 y, uint256 factor) external view returns (uint256 spent) {
        Bn254.Sum memory sum;
        spent = gasleft();
        sum.addScaled(x, y, factor);
        sum.addScaled(x, y, factor);
        spent -= gasleft();
    }

    function add(uint256[2][] memory points) external view returns (uint256, uint256) {
        Bn254.Sum memory sum;
        for (uint256 i = 0; i < points.length; ++i) {
            sum.add(points[i][0], points[i][1]);
        }
        return (sum.x, sum.y);
    }

    function inverse(uint256 a) external view returns (uint256) {
        return Bn254.inverse(a);
    }

    function power(uint256 base, uint256 exponent) external view returns (uint256) {
        return Bn254.power(base, exponent);
    }

    function pairing2(uint256[12] memory input) external view returns (bool) {
        return Bn254.pairing2(input);
    }

    // -- transcripts

    function scalar(bytes32 word) external pure returns (uint256) {
        return Transcript.scalar(word, "label");
    }

    function evaluationPoint(bytes32 word) external pure returns (uint256) {
        return Transcript.evaluationPoint(word, "label");
    }

    /// @param proof The 384 bytes of a Gram proof.
    function gramChallenges(bytes calldata statement, bytes calldata proof)
        external
        pure
        returns (bytes32 seed, uint256 z, uint256 gamma)
    {
        (uint256 buffer, uint256 message) = Transcript.newBuffer();
        assembly ("memory-safe") {
            calldatacopy(message, statement.offset, statement.length)
        }
        GramTranscript.Masked masked;
        GramTranscript.Correlated correlated;
        (masked, seed) = GramTranscript.mask(GramTranscript.begin(buffer, statement.length), proof[0:96]);
        (correlated, z) = GramTranscript.correlation(masked, proof[96:160]);
        gamma = GramTranscript.evaluations(correlated, proof[160:256]);
    }

    /// @param proof The 352 bytes of an opening.
    function openingChallenges(bytes calldata statement, bytes calldata proof)
        external
        pure
        returns (uint256 rho, uint256 z, uint256 gamma, uint256 delta)
    {
        OpeningTranscript.Stated stated;
        OpeningTranscript.Crossed crossed;
        OpeningTranscript.Evaluated evaluated;
        (stated, rho) = OpeningTranscript.begin(statement);
        (crossed, z) = OpeningTranscript.cross(stated, proof[0:128]);
        (evaluated, gamma) = OpeningTranscript.evaluations(crossed, proof[128:224]);
        delta = OpeningTranscript.quotients(evaluated, proof[224:352]);
    }
}
