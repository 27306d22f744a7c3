// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "./Bn254.sol";
import {GramMatrix} from "./GramMatrix.sol";
import {ReferenceString} from "./ReferenceString.sol";
import {GramTranscript, Transcript} from "./Transcript.sol";

/// @title The Gram argument: posted inner products are those of the committed rows, updates and extra rows.
/// @dev Notation and steps are those of docs/protocol.md, "The Gram argument"; the same computation as
/// aggregator/proofs/verifier.py. For m rows m + 6 multiplications of points and one product of three pairings, whatever
/// d is.
abstract contract GramArgument is ReferenceString {
    using Bn254 for Bn254.Sum;

    uint256 private constant PROOF_BYTES = 384;
    /// @dev Coefficients of the mask, which lie beyond the d of an update.
    uint256 internal constant MASK_COEFFICIENTS = 8;
    uint256 private constant EC_ADD = 6;
    uint256 private constant EC_MUL = 7;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001; // for assembly

    error Gram_NoUpdates();
    error Gram_DimensionTooLarge(uint256 dimension, uint256 powers);
    error Gram_DirtyWord();
    error Gram_InvalidCommitment();
    error Gram_InvalidPoint(bytes32 message);
    error Gram_InvalidScalar();
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
    function _verifyGram(IProofVerifier.GramStatement calldata s, bytes calldata proof) internal view {
        Proof calldata p = _proof(proof);
        (bytes32 seed, uint256 z, uint256 gamma) = _challenges(s, proof);
        Bn254.Sum memory sum = Bn254.Sum(p.mask.x, p.mask.y, 0, 0, 0);
        uint256 square = addmod(_addRows(sum, s, seed), p.maskSquare, R);
        sum.addScaled(p.correlation.x, p.correlation.y, gamma);
        _checkQuotient(sum, p.quotient, _subtractLines(sum, p, square, z, gamma));
    }

    /// @dev What the transcript gives: the seed of the lambda_i, z and gamma.
    function _challenges(IProofVerifier.GramStatement calldata s, bytes calldata proof)
        private
        view
        returns (bytes32 seed, uint256 z, uint256 gamma)
    {
        GramTranscript.Masked masked;
        GramTranscript.Correlated correlated;
        (masked, seed) = GramTranscript.mask(_absorb(s), _words(proof, 0, 3));
        (correlated, z) = GramTranscript.correlation(masked, _words(proof, 3, 2));
        gamma = GramTranscript.evaluations(correlated, _words(proof, 5, 3));
    }

    /// @dev The proof's words, each in the one encoding that it has.
    function _proof(bytes calldata proof) private pure returns (Proof calldata p) {
        if (proof.length != PROOF_BYTES) revert GramMatrix.Gram_WrongLength("proof", proof.length, PROOF_BYTES);
        bool canonical;
        assembly ("memory-safe") {
            p := proof.offset
            canonical := lt(calldataload(add(p, 0x40)), R) // mu
            canonical := and(canonical, lt(calldataload(add(p, 0xa0)), R)) // a(z)
            canonical := and(canonical, lt(calldataload(add(p, 0xc0)), R)) // a(1/z)
            canonical := and(canonical, lt(calldataload(add(p, 0xe0)), R)) // s(z)
            canonical := and(canonical, lt(calldataload(add(p, 0x100)), R)) // h(z)
            canonical := and(canonical, lt(calldataload(add(p, 0x120)), R)) // h(1/z)
        }
        if (!canonical) revert Gram_InvalidScalar();
        if (!Bn254.isPoint(p.mask.x, p.mask.y)) revert Gram_InvalidPoint("mask");
        if (!Bn254.isPoint(p.correlation.x, p.correlation.y)) revert Gram_InvalidPoint("correlation");
        if (!Bn254.isPoint(p.quotient.x, p.quotient.y)) revert Gram_InvalidPoint("quotient");
    }

    /// @dev Words of the proof, whose length has been checked.
    function _words(bytes calldata proof, uint256 first, uint256 count) private pure returns (bytes calldata words) {
        assembly ("memory-safe") {
            words.offset := add(proof.offset, shl(5, first))
            words.length := shl(5, count)
        }
    }

    /// @dev The transcript's first message: the digest of the reference string and the statement, as it lies in
    /// calldata but for the lists' offsets and lengths. That each number fits its type is checked for all at once; for
    /// the lists' elements see `_checkElements`.
    function _absorb(IProofVerifier.GramStatement calldata s) private view returns (GramTranscript.Stated) {
        IProofVerifier.Point[] calldata commitments = s.commitments;
        address[] calldata trainers = s.trainers;
        uint128[] calldata stakes = s.stakes;
        bytes calldata gram = s.gram;
        if (s.dimension + MASK_COEFFICIENTS > srsSize) revert Gram_DimensionTooLarge(s.dimension, srsSize);
        (uint256 buffer, uint256 message) = Transcript.newBuffer();
        bytes32 digest = srsDigest;
        assembly ("memory-safe") {
            mstore(message, digest)
            calldatacopy(add(message, 0x20), s, 0x220)
        }
        _checkWords(message);
        uint256 n = trainers.length;
        uint256 rows = commitments.length;
        if (n == 0) revert Gram_NoUpdates();
        _requireLength("stakes", stakes.length, n);
        _requireLength("commitments", rows, n + GramMatrix.extraRows(s.hasReference, s.previous, s.history, n));
        _requireLength("gram", gram.length, GramMatrix.packedLength(n, rows - n));
        _checkElements(trainers, stakes);
        uint256 length;
        assembly ("memory-safe") {
            mstore(add(message, 0x240), n)
            mstore(add(message, 0x260), rows)
            let target := add(message, 0x280)
            let size := shl(5, n)
            calldatacopy(target, trainers.offset, size)
            calldatacopy(add(target, size), stakes.offset, size)
            target := add(target, shl(1, size))
            size := shl(6, rows)
            calldatacopy(target, commitments.offset, size)
            target := add(target, size)
            calldatacopy(target, gram.offset, gram.length)
            length := sub(add(target, gram.length), message)
        }
        return GramTranscript.begin(buffer, length);
    }

    /// @dev That each number of the statement, in the order of its fields, fits its type.
    function _checkWords(uint256 message) private pure {
        uint256 excess;
        assembly ("memory-safe") {
            excess := or(shr(160, mload(add(message, 0x40))), shr(32, mload(add(message, 0x80)))) // market, round
            excess := or(excess, shr(16, mload(add(message, 0xe0)))) // byzantine
            excess := or(excess, shr(8, mload(add(message, 0x120)))) // bits
            excess := or(excess, shr(8, mload(add(message, 0x140)))) // headroomBits
            let exponent := mload(add(message, 0x160))
            excess := or(excess, xor(exponent, signextend(1, exponent)))
            excess := or(excess, shr(128, mload(add(message, 0x180)))) // budget
            excess := or(excess, shr(16, mload(add(message, 0x1a0)))) // floorBps
            excess := or(excess, shr(16, mload(add(message, 0x1c0)))) // capBps
            excess := or(excess, shr(1, mload(add(message, 0x1e0)))) // hasReference
            excess := or(excess, shr(1, mload(add(message, 0x200)))) // previous
            excess := or(excess, shr(1, mload(add(message, 0x220)))) // history
        }
        if (excess != 0) revert Gram_DirtyWord();
    }

    /// @dev The same for the lists' elements.
    function _checkElements(address[] calldata trainers, uint128[] calldata stakes) private pure {
        uint256 excess;
        assembly ("memory-safe") {
            let anyTrainer := 0
            let anyStake := 0
            for { let offset := shl(5, trainers.length) } offset {} {
                offset := sub(offset, 0x20)
                anyTrainer := or(anyTrainer, calldataload(add(trainers.offset, offset)))
                anyStake := or(anyStake, calldataload(add(stakes.offset, offset)))
            }
            excess := or(shr(160, anyTrainer), shr(128, anyStake))
        }
        if (excess != 0) revert Gram_DirtyWord();
    }

    /// @dev sum += sum_i lambda_i C_i, where lambda_i is the first 128 bits of keccak256(seed, i), for rows `first` on.
    /// Refuses infinity as an update, which is what `first` = 0 says; what is no point the precompile refuses, and burns
    /// the gas.
    /// @return lambdas Where the lambda_i lie, the last thing in memory but for three zeros after them.
    function _addPoints(Bn254.Sum memory sum, IProofVerifier.Point[] calldata points, bytes32 seed, uint256 first)
        private
        view
        returns (uint256 lambdas)
    {
        bool valid = true;
        assembly ("memory-safe") {
            let end := shl(5, points.length)
            lambdas := mload(0x40)
            mstore(0x40, add(lambdas, add(end, 0x60)))
            calldatacopy(add(lambdas, end), calldatasize(), 0x60) // zeros
            mstore(0, seed)
            let term := add(sum, 0x40)
            for { let offset := 0 } and(valid, lt(offset, end)) { offset := add(offset, 0x20) } {
                mstore(0x20, add(first, shr(5, offset)))
                let lambda := shr(128, keccak256(0, 0x40))
                mstore(add(lambdas, offset), lambda)
                calldatacopy(term, add(points.offset, shl(1, offset)), 0x40)
                mstore(add(sum, 0x80), lambda)
                valid := lt(0, or(first, mload(add(sum, 0x60)))) // only infinity has y = 0
                valid := and(valid, staticcall(gas(), EC_MUL, term, 0x60, term, 0x40))
                valid := and(valid, staticcall(gas(), EC_ADD, sum, 0x80, sum, 0x40))
            }
            valid := and(valid, eq(returndatasize(), 0x40))
        }
        if (!valid) revert Gram_InvalidCommitment();
    }

    /// @dev sum += sum_i lambda_i C_i over all rows; returns sum_ij lambda_i lambda_j G_ij modulo R.
    function _addRows(Bn254.Sum memory sum, IProofVerifier.GramStatement calldata s, bytes32 seed)
        private
        view
        returns (uint256 form)
    {
        uint256 n = s.trainers.length;
        uint256 lambdas = _addPoints(sum, s.commitments[:n], seed, 0);
        form = _quadraticForm(s.gram, lambdas);
        uint256 extras = s.commitments.length - n;
        if (extras == 0) return form;
        uint256 extraLambdas = _addPoints(sum, s.commitments[n:], seed, n);
        bytes calldata packed = s.gram[GramMatrix.packedLength(n, 0):];
        return addmod(form, _extraForm(packed, lambdas, extraLambdas, n, extras), R);
    }

    /// @dev sum_ij lambda_i lambda_j G_ij modulo R over the updates, from the packed upper triangle of 64-bit entries.
    /// Within a row the integers are exact: |lambda G| < 2^191, and there are far fewer than 2^60 of them. Four entries
    /// fill a word; where a row ends within one, what follows meets a lambda of zero.
    /// @param lambdas See `_addPoints`.
    function _quadraticForm(bytes calldata gram, uint256 lambdas) private pure returns (uint256 form) {
        assembly ("memory-safe") {
            let source := gram.offset
            let row := lambdas
            for { let end := sub(mload(0x40), 0x60) } lt(row, end) {} {
                let lambda := mload(row)
                let sum := mul(lambda, sar(192, calldataload(source))) // the top 8 bytes, sign extended
                row := add(row, 0x20)
                source := add(source, 8)
                let entry := source
                for { let column := row } lt(column, end) { column := add(column, 0x80) } {
                    let word := calldataload(entry)
                    let part := mul(mload(column), sar(192, word))
                    part := add(part, mul(mload(add(column, 0x20)), signextend(7, shr(128, word))))
                    part := add(part, mul(mload(add(column, 0x40)), signextend(7, shr(64, word))))
                    part := add(part, mul(mload(add(column, 0x60)), signextend(7, word)))
                    sum := add(sum, shl(1, part)) // such an entry counts twice
                    entry := add(entry, 0x20)
                }
                source := add(source, shr(2, sub(end, row)))
                form := addmod(form, mulmod(lambda, add(R, sum), R), R) // R makes the sum positive
            }
        }
    }

    /// @dev What the extra rows add to the form: for each its products with the rows before it, twice, and its square,
    /// 128-bit entries. A lambda times an entry may fill a word, so each is reduced; R makes entries positive.
    /// @param packed The extra rows' part of the packed products.
    function _extraForm(
        bytes calldata packed,
        uint256 lambdas,
        uint256 extraLambdas,
        uint256 n,
        uint256 extras
    ) private pure returns (uint256 form) {
        assembly ("memory-safe") {
            let source := packed.offset
            let end := add(extraLambdas, shl(5, extras))
            let last := add(lambdas, shl(5, n))
            for { let row := extraLambdas } lt(row, end) { row := add(row, 0x20) } {
                let sum := 0
                for { let column := lambdas } lt(column, row) { column := add(column, 0x20) } {
                    if eq(column, last) { column := extraLambdas }
                    if eq(column, row) { break }
                    sum := addmod(sum, mulmod(mload(column), add(R, sar(128, calldataload(source))), R), R)
                    source := add(source, 0x10)
                }
                let lambda := mload(row)
                sum := addmod(sum, sum, R)
                sum := addmod(sum, mulmod(lambda, add(R, sar(128, calldataload(source))), R), R)
                source := add(source, 0x10)
                form := addmod(form, mulmod(lambda, sum, R), R)
            }
        }
    }

    function _requireLength(bytes32 field, uint256 length, uint256 expected) private pure {
        if (length != expected) revert GramMatrix.Gram_WrongLength(field, length, expected);
    }

    /// @dev sum -= I_p(tau)[1] + I_h(tau)[eta], where I_p and I_h are the lines through the values of
    /// p = a + gamma s and of h at z and 1/z. Returns z + 1/z.
    function _subtractLines(
        Bn254.Sum memory sum,
        Proof calldata p,
        uint256 square,
        uint256 z,
        uint256 gamma
    ) private view returns (uint256) {
        // one inversion for both 1/z and 1/(1/z - z) = z / (1 - z^2); the transcript excludes 0, 1 and -1
        uint256 complement = addmod(1, R - mulmod(z, z, R), R);
        uint256 common = Bn254.inverse(mulmod(z, complement, R));
        uint256 inverse = mulmod(common, complement, R);
        uint256 perStep = mulmod(common, mulmod(z, z, R), R);
        uint256 first = addmod(p.atZ, mulmod(gamma, p.correlationAtZ, R), R);
        uint256 second = addmod(p.atInverse, mulmod(gamma, _correlationAtInverse(p, square, z), R), R);
        (first, second) = _minusLine(first, second, z, perStep);
        sum.addScaled(Bn254.G1_X, Bn254.G1_Y, first);
        sum.addScaled(_tauX, _tauY, second);
        (first, second) = _minusLine(p.blindingAtZ, p.blindingAtInverse, z, perStep);
        sum.addScaled(_etaX, _etaY, first);
        sum.addScaled(_etaTauX, _etaTauY, second);
        return addmod(z, inverse, R);
    }

    /// @dev s(1/z) = z (a(z) a(1/z) - g - z s(z)), which says that g is the constant term of a(X) a(1/X).
    function _correlationAtInverse(Proof calldata p, uint256 square, uint256 z) private pure returns (uint256) {
        uint256 rest = addmod(square, mulmod(z, p.correlationAtZ, R), R);
        return mulmod(z, addmod(mulmod(p.atZ, p.atInverse, R), R - rest, R), R);
    }

    /// @dev -c and -m of the line c + m X through (z, first) and (1/z, second); `perStep` is 1 / (1/z - z).
    function _minusLine(uint256 first, uint256 second, uint256 z, uint256 perStep)
        private
        pure
        returns (uint256 minusConstant, uint256 minusSlope)
    {
        unchecked {
            minusSlope = mulmod(first + R - second, perStep, R); // less than 2 R, which fits
            minusConstant = R - addmod(first, mulmod(minusSlope, z, R), R);
        }
    }

    /// @dev e(sum - W, [1]) e(-W, [tau^2]) e((z + 1/z) W, [tau]) = 1, as (tau - z)(tau - 1/z) =
    /// tau^2 - (z + 1/z) tau + 1.
    function _checkQuotient(Bn254.Sum memory sum, IProofVerifier.Point calldata quotient, uint256 zAndInverse)
        private
        view
    {
        uint256 x = quotient.x;
        uint256 minusY = Bn254.P - quotient.y; // y is not 0: no point of the curve has order 2
        sum.add(x, minusY);
        Bn254.Sum memory scaled;
        scaled.addScaled(x, quotient.y, zAndInverse);
        uint256[18] memory input = [
            sum.x,
            sum.y,
            Bn254.G2_X_IMAG,
            Bn254.G2_X_REAL,
            Bn254.G2_Y_IMAG,
            Bn254.G2_Y_REAL,
            x,
            minusY,
            _tau2G2XImag,
            _tau2G2XReal,
            _tau2G2YImag,
            _tau2G2YReal,
            scaled.x,
            scaled.y,
            _tauG2XImag,
            _tauG2XReal,
            _tauG2YImag,
            _tauG2YReal
        ];
        if (!Bn254.pairing3(input)) revert Gram_WrongProof();
    }
}
