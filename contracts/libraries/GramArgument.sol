// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "./Bn254.sol";
import {ReferenceString} from "./ReferenceString.sol";
import {GramTranscript} from "./Transcript.sol";

/// @title The Gram argument: a posted matrix is the Gram matrix of the committed updates.
/// @dev Notation and steps are those of docs/protocol.md, "The Gram argument"; the same computation as
/// aggregator/proofs/verifier.py. n + 6 multiplications of points and one product of three pairings, whatever d is.
library GramArgument {
    using Bn254 for Bn254.Sum;

    uint256 internal constant PROOF_BYTES = 384;
    /// @dev Coefficients of the mask, which lie beyond the d of an update.
    uint256 internal constant MASK_COEFFICIENTS = 8;
    uint256 private constant LAMBDA_BITS = 128;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001; // for assembly

    error Gram_NoUpdates();
    error Gram_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Gram_DimensionTooLarge(uint256 dimension, uint256 powers);
    error Gram_InvalidCommitment(uint256 index);
    error Gram_InvalidPoint(bytes32 message);
    error Gram_InvalidScalar(bytes32 message);
    error Gram_WrongProof();

    /// @dev The prover's messages, 384 bytes.
    struct Proof {
        IProofVerifier.Point mask; // C_m
        uint256 maskSquare; // mu
        IProofVerifier.Point correlation; // S
        uint256 atZ; // a(z)
        uint256 atInverse; // a(1/z)
        uint256 correlationAtZ; // s(z)
        uint256 blindingAtZ; // h(z)
        uint256 blindingAtInverse; // h(1/z)
        IProofVerifier.Point quotient; // W
    }

    /// @dev Reverts unless the proof shows the statement.
    function verify(
        IProofVerifier.GramStatement calldata s,
        bytes calldata proof,
        ReferenceString.Key memory key
    ) internal view {
        _checkShape(s, key.size);
        Proof calldata p = _proof(proof);
        (GramTranscript.Masked masked, bytes32 seed) =
            GramTranscript.mask(GramTranscript.begin(_encode(s, key.digest)), proof[0:96]);
        (GramTranscript.Correlated correlated, uint256 z) = GramTranscript.correlation(masked, proof[96:160]);
        uint256 gamma = GramTranscript.evaluations(correlated, proof[160:256]);

        Bn254.Sum memory sum = Bn254.Sum(p.mask.x, p.mask.y, 0, 0, 0);
        uint256 square = _combine(sum, s, seed, p.maskSquare);
        sum.addScaled(p.correlation.x, p.correlation.y, gamma);
        uint256 zAndInverse = _subtractLines(sum, p, square, z, gamma, key);
        _checkQuotient(sum, p, zAndInverse, key);
    }

    function _checkShape(IProofVerifier.GramStatement calldata s, uint256 powers) private pure {
        uint256 n = s.commitments.length;
        if (n == 0) revert Gram_NoUpdates();
        if (s.trainers.length != n) revert Gram_WrongLength("trainers", s.trainers.length, n);
        if (s.stakes.length != n) revert Gram_WrongLength("stakes", s.stakes.length, n);
        if (s.gram.length != n * (n + 1) * 4) revert Gram_WrongLength("gram", s.gram.length, n * (n + 1) * 4);
        if (s.dimension + MASK_COEFFICIENTS > powers) revert Gram_DimensionTooLarge(s.dimension, powers);
    }

    /// @dev The proof's words, each in the one encoding that it has.
    function _proof(bytes calldata proof) private pure returns (Proof calldata p) {
        if (proof.length != PROOF_BYTES) revert Gram_WrongLength("proof", proof.length, PROOF_BYTES);
        assembly ("memory-safe") {
            p := proof.offset
        }
        if (!Bn254.isPoint(p.mask.x, p.mask.y)) revert Gram_InvalidPoint("mask");
        if (!Bn254.isPoint(p.correlation.x, p.correlation.y)) revert Gram_InvalidPoint("correlation");
        if (!Bn254.isPoint(p.quotient.x, p.quotient.y)) revert Gram_InvalidPoint("quotient");
        if (p.maskSquare >= R) revert Gram_InvalidScalar("maskSquare");
        if (p.atZ >= R) revert Gram_InvalidScalar("atZ");
        if (p.atInverse >= R) revert Gram_InvalidScalar("atInverse");
        if (p.correlationAtZ >= R) revert Gram_InvalidScalar("correlationAtZ");
        if (p.blindingAtZ >= R) revert Gram_InvalidScalar("blindingAtZ");
        if (p.blindingAtInverse >= R) revert Gram_InvalidScalar("blindingAtInverse");
    }

    /// @dev The statement as the transcript absorbs it. Reading a field or an element checks that it fits its type.
    function _encode(IProofVerifier.GramStatement calldata s, bytes32 srsDigest) private pure returns (bytes memory) {
        IProofVerifier.Point[] calldata points = s.commitments;
        bytes calldata commitments;
        assembly ("memory-safe") {
            commitments.offset := points.offset
            commitments.length := shl(6, points.length)
        }
        bytes memory round = abi.encode(srsDigest, s.chainId, s.market, s.jobId, s.round);
        bytes memory terms = abi.encode(
            s.rule, s.score, s.byzantine, s.dimension, s.bits, s.headroomBits, s.scaleExponent, s.budget
        );
        return abi.encodePacked(round, terms, points.length, s.trainers, s.stakes, commitments, s.gram);
    }

    /// @dev sum += sum_i lambda_i C_i; returns g = mu + sum_ij lambda_i lambda_j G_ij.
    function _combine(Bn254.Sum memory sum, IProofVerifier.GramStatement calldata s, bytes32 seed, uint256 maskSquare)
        private
        view
        returns (uint256)
    {
        uint256[] memory lambdas = _lambdas(seed, s.commitments.length);
        IProofVerifier.Point[] calldata commitments = s.commitments;
        for (uint256 i = 0; i < lambdas.length; ++i) {
            IProofVerifier.Point calldata c = commitments[i];
            if (!Bn254.isPoint(c.x, c.y)) revert Gram_InvalidCommitment(i);
            sum.addScaled(c.x, c.y, lambdas[i]);
        }
        return addmod(maskSquare, _quadraticForm(s.gram, lambdas), R);
    }

    /// @dev lambda_i: the first 128 bits of keccak256(seed, i).
    function _lambdas(bytes32 seed, uint256 n) private pure returns (uint256[] memory lambdas) {
        lambdas = new uint256[](n);
        assembly ("memory-safe") {
            mstore(0, seed)
            let target := add(lambdas, 0x20)
            for { let i := 0 } lt(i, n) { i := add(i, 1) } {
                mstore(0x20, i)
                mstore(target, shr(sub(256, LAMBDA_BITS), keccak256(0, 0x40)))
                target := add(target, 0x20)
            }
        }
    }

    /// @dev sum_ij lambda_i lambda_j G_ij modulo R, from the packed upper triangle of 64-bit entries. Within a row the
    /// integers are exact: |lambda G| < 2^191, and there are far fewer than 2^60 of them.
    function _quadraticForm(bytes calldata gram, uint256[] memory lambdas) private pure returns (uint256 form) {
        assembly ("memory-safe") {
            let source := gram.offset
            let end := add(add(lambdas, 0x20), shl(5, mload(lambdas)))
            for { let row := add(lambdas, 0x20) } lt(row, end) { row := add(row, 0x20) } {
                let lambda := mload(row)
                let diagonal := mul(lambda, sar(192, calldataload(source))) // the top 8 bytes, sign extended
                source := add(source, 8)
                let rest := 0
                for { let column := add(row, 0x20) } lt(column, end) { column := add(column, 0x20) } {
                    rest := add(rest, mul(mload(column), sar(192, calldataload(source))))
                    source := add(source, 8)
                }
                let value := add(diagonal, shl(1, rest)) // an off-diagonal entry counts twice
                value := add(value, mul(slt(value, 0), R))
                form := addmod(form, mulmod(lambda, value, R), R)
            }
        }
    }

    /// @dev sum -= I_p(tau)[1] + I_h(tau)[eta], where I_p and I_h are the lines through the values of
    /// p = a + gamma s and of h at z and 1/z. Returns z + 1/z.
    function _subtractLines(
        Bn254.Sum memory sum,
        Proof calldata p,
        uint256 square,
        uint256 z,
        uint256 gamma,
        ReferenceString.Key memory key
    ) private view returns (uint256) {
        // one inversion for both 1/z and 1/(1/z - z) = z / (1 - z^2); the transcript excludes 0, 1 and -1
        uint256 complement = addmod(1, R - mulmod(z, z, R), R);
        uint256 common = Bn254.inverse(mulmod(z, complement, R));
        uint256 inverse = mulmod(common, complement, R);
        uint256 perStep = mulmod(common, mulmod(z, z, R), R);
        uint256 first = addmod(p.atZ, mulmod(gamma, p.correlationAtZ, R), R);
        uint256 second = addmod(p.atInverse, mulmod(gamma, _correlationAtInverse(p, square, z), R), R);
        _subtractLine(sum, first, second, z, perStep, [Bn254.G1_X, Bn254.G1_Y, key.tauX, key.tauY]);
        _subtractLine(
            sum, p.blindingAtZ, p.blindingAtInverse, z, perStep, [key.etaX, key.etaY, key.etaTauX, key.etaTauY]
        );
        return addmod(z, inverse, R);
    }

    /// @dev s(1/z) = z (a(z) a(1/z) - g - z s(z)), which says that g is the constant term of a(X) a(1/X).
    function _correlationAtInverse(Proof calldata p, uint256 square, uint256 z) private pure returns (uint256) {
        uint256 rest = addmod(square, mulmod(z, p.correlationAtZ, R), R);
        return mulmod(z, addmod(mulmod(p.atZ, p.atInverse, R), R - rest, R), R);
    }

    /// @dev sum -= c P + m Q for the line c + m X through (z, first) and (1/z, second); `bases` are P and Q.
    function _subtractLine(
        Bn254.Sum memory sum,
        uint256 first,
        uint256 second,
        uint256 z,
        uint256 perStep,
        uint256[4] memory bases
    ) private view {
        uint256 minusSlope = mulmod(addmod(first, R - second, R), perStep, R);
        uint256 minusConstant = R - addmod(first, mulmod(minusSlope, z, R), R);
        sum.addScaled(bases[0], bases[1], minusConstant);
        sum.addScaled(bases[2], bases[3], minusSlope);
    }

    /// @dev e(sum - W, [1]) e(-W, [tau^2]) e((z + 1/z) W, [tau]) = 1, as (tau - z)(tau - 1/z) =
    /// tau^2 - (z + 1/z) tau + 1.
    function _checkQuotient(
        Bn254.Sum memory sum,
        Proof calldata p,
        uint256 zAndInverse,
        ReferenceString.Key memory key
    ) private view {
        uint256 x = p.quotient.x;
        uint256 minusY = Bn254.negated(p.quotient.y);
        sum.add(x, minusY);
        Bn254.Sum memory scaled;
        scaled.addScaled(x, p.quotient.y, zAndInverse);
        uint256[18] memory input;
        (input[0], input[1]) = (sum.x, sum.y);
        (input[2], input[3]) = (Bn254.G2_X_IMAG, Bn254.G2_X_REAL);
        (input[4], input[5]) = (Bn254.G2_Y_IMAG, Bn254.G2_Y_REAL);
        (input[6], input[7]) = (x, minusY);
        (input[8], input[9]) = (key.tau2G2.xImag, key.tau2G2.xReal);
        (input[10], input[11]) = (key.tau2G2.yImag, key.tau2G2.yReal);
        (input[12], input[13]) = (scaled.x, scaled.y);
        (input[14], input[15]) = (key.tauG2.xImag, key.tauG2.xReal);
        (input[16], input[17]) = (key.tauG2.yImag, key.tauG2.yReal);
        if (!Bn254.pairing3(input)) revert Gram_WrongProof();
    }
}
