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
    /// @dev R. Not a constant: one that is used so often solc keeps apart, and copies it from the code for each use.
    uint256 private immutable _r = Bn254.R;

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
        IProofVerifier.Point[] calldata commitments = s.commitments;
        bytes calldata gram = s.gram;
        address[] calldata trainers = s.trainers;
        (bytes32 seed, uint256 z, uint256 gamma) = _challenges(s, trainers, commitments, gram, proof);
        Bn254.Sum memory sum = Bn254.Sum(p.mask.x, p.mask.y, 0, 0, 0);
        uint256 square = addmod(_addRows(sum, trainers.length, commitments, gram, seed), p.maskSquare, _r);
        sum.addScaled(p.correlation.x, p.correlation.y, gamma);
        _checkQuotient(sum, p.quotient, _subtractLines(sum, p, square, z, gamma));
    }

    /// @dev What the transcript gives: the seed of the lambda_i, z and gamma.
    function _challenges(
        IProofVerifier.GramStatement calldata s,
        address[] calldata trainers,
        IProofVerifier.Point[] calldata commitments,
        bytes calldata gram,
        bytes calldata proof
    ) private view returns (bytes32 seed, uint256 z, uint256 gamma) {
        GramTranscript.Masked masked;
        GramTranscript.Correlated correlated;
        (masked, seed) = GramTranscript.mask(_absorb(s, trainers, commitments, gram), _words(proof, 0, 3));
        (correlated, z) = GramTranscript.correlation(masked, _words(proof, 3, 2));
        gamma = GramTranscript.evaluations(correlated, _words(proof, 5, 3));
    }

    /// @dev The proof's words, each in the one encoding that it has.
    function _proof(bytes calldata proof) private view returns (Proof calldata p) {
        if (proof.length != PROOF_BYTES) revert GramMatrix.Gram_WrongLength("proof", proof.length, PROOF_BYTES);
        uint256 r = _r;
        bool canonical;
        assembly ("memory-safe") {
            p := proof.offset
            canonical := lt(calldataload(add(p, 0x40)), r) // mu
            canonical := and(canonical, lt(calldataload(add(p, 0xa0)), r)) // a(z)
            canonical := and(canonical, lt(calldataload(add(p, 0xc0)), r)) // a(1/z)
            canonical := and(canonical, lt(calldataload(add(p, 0xe0)), r)) // s(z)
            canonical := and(canonical, lt(calldataload(add(p, 0x100)), r)) // h(z)
            canonical := and(canonical, lt(calldataload(add(p, 0x120)), r)) // h(1/z)
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
    function _absorb(
        IProofVerifier.GramStatement calldata s,
        address[] calldata trainers,
        IProofVerifier.Point[] calldata commitments,
        bytes calldata gram
    ) private view returns (GramTranscript.Stated) {
        uint128[] calldata stakes = s.stakes;
        if (s.dimension + MASK_COEFFICIENTS > srsSize) revert Gram_DimensionTooLarge(s.dimension, srsSize);
        (uint256 buffer, uint256 message) = Transcript.newBuffer();
        bytes32 digest = srsDigest;
        assembly ("memory-safe") {
            mstore(message, digest)
            calldatacopy(add(message, 0x20), s, 0x240)
        }
        _checkWords(message);
        uint256 n = trainers.length;
        uint256 rows = commitments.length;
        if (n == 0) revert Gram_NoUpdates();
        _requireLength("stakes", stakes.length, n);
        _checkLengths(message, n, rows, gram.length);
        _checkElements(trainers, stakes);
        uint256 length;
        assembly ("memory-safe") {
            mstore(add(message, 0x260), n)
            mstore(add(message, 0x280), rows)
            let target := add(message, 0x2a0)
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

    /// @dev That each number of the statement fits its type.
    function _checkWords(uint256 message) private pure {
        uint256 excess;
        assembly ("memory-safe") {
            let accounts := or(mload(add(message, 0x40)), mload(add(message, 0xa0))) // market, aggregator
            excess := or(shr(160, accounts), shr(32, mload(add(message, 0x80)))) // round
            let shorts := or(mload(add(message, 0x100)), mload(add(message, 0x1c0))) // byzantine, floorBps
            excess := or(excess, shr(16, or(shorts, mload(add(message, 0x1e0))))) // capBps
            let bytes_ := or(mload(add(message, 0x140)), mload(add(message, 0x160))) // bits, headroomBits
            excess := or(excess, shr(8, bytes_))
            let exponent := mload(add(message, 0x180))
            excess := or(excess, xor(exponent, signextend(1, exponent)))
            excess := or(excess, shr(128, mload(add(message, 0x1a0)))) // budget
            let flags := or(mload(add(message, 0x200)), mload(add(message, 0x220))) // hasReference, previous
            excess := or(excess, shr(1, or(flags, mload(add(message, 0x240))))) // history
        }
        if (excess != 0) revert Gram_DirtyWord();
    }

    /// @dev That there are as many rows as updates and flags say, and products: GramMatrix.extraRows and packedLength
    /// unchecked, for flags are 0 or 1, and calldata has room for the lists.
    function _checkLengths(uint256 message, uint256 n, uint256 rows, uint256 gramLength) private pure {
        uint256 extras;
        assembly ("memory-safe") {
            extras := add(mload(add(message, 0x200)), mload(add(message, 0x220))) // hasReference, previous
            extras := add(extras, mul(n, mload(add(message, 0x240)))) // history
        }
        unchecked {
            _requireLength("commitments", rows, n + extras);
            _requireLength("gram", gramLength, 4 * n * (n + 1) + 8 * extras * (2 * n + extras + 1));
        }
    }

    /// @dev That each element of the lists fits its type.
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
    /// @return lambdas Where the lambda_i lie, the last thing in memory but for three zeros after them; 0 of no rows.
    function _addPoints(Bn254.Sum memory sum, IProofVerifier.Point[] calldata points, bytes32 seed, uint256 first)
        private
        view
        returns (uint256 lambdas)
    {
        if (points.length == 0) return 0; // and is not inlined, which would leave little stack to the loop
        bool valid = true;
        assembly ("memory-safe") {
            lambdas := mload(0x40)
            let end := add(lambdas, shl(5, points.length))
            mstore(0x40, add(end, 0x60))
            calldatacopy(end, calldatasize(), 0x60) // zeros
            mstore(0, seed)
            mstore(0x20, first)
            let term := add(sum, 0x40)
            let point := points.offset
            for { let target := lambdas } lt(target, end) { target := add(target, 0x20) } {
                let lambda := shr(128, keccak256(0, 0x40))
                mstore(0x20, add(mload(0x20), 1))
                mstore(target, lambda)
                calldatacopy(term, point, 0x40)
                mstore(add(sum, 0x80), lambda)
                point := add(point, 0x40)
                let added := lt(0, or(first, mload(add(sum, 0x60)))) // only infinity has y = 0
                added := and(added, staticcall(gas(), EC_MUL, term, 0x60, term, 0x40))
                added := and(added, staticcall(gas(), EC_ADD, sum, 0x80, sum, 0x40))
                if iszero(added) {
                    valid := 0
                    break
                }
            }
            valid := and(valid, eq(returndatasize(), 0x40))
        }
        if (!valid) revert Gram_InvalidCommitment();
    }

    /// @dev sum += sum_i lambda_i C_i over all rows; returns sum_ij lambda_i lambda_j G_ij modulo R.
    function _addRows(
        Bn254.Sum memory sum,
        uint256 n,
        IProofVerifier.Point[] calldata commitments,
        bytes calldata gram,
        bytes32 seed
    ) private view returns (uint256 form) {
        uint256 lambdas = _addPoints(sum, commitments[:n], seed, 0);
        form = _quadraticForm(gram, lambdas);
        if (commitments.length == n) return form;
        uint256 extraLambdas = _addPoints(sum, commitments[n:], seed, n);
        bytes calldata packed = gram[GramMatrix.packedLength(n, 0):];
        return addmod(form, _extraForm(packed, lambdas, extraLambdas, n, commitments.length - n), _r);
    }

    /// @dev sum_ij lambda_i lambda_j G_ij modulo R over the updates, from the packed upper triangle of 64-bit entries.
    /// Within a row the integers are exact: |lambda G| < 2^191, and there are far fewer than 2^60 of them. Four entries
    /// fill a word; where a row ends within one, what follows meets a lambda of zero.
    /// @param lambdas See `_addPoints`.
    function _quadraticForm(bytes calldata gram, uint256 lambdas) private view returns (uint256 form) {
        if (gram.length == 0) return 0; // and is not inlined, which would leave little stack to the loops
        uint256 r = _r;
        assembly ("memory-safe") {
            let source := gram.offset
            let row := lambdas
            for { let end := sub(mload(0x40), 0x60) } lt(row, end) {} {
                let lambda := mload(row)
                let square := mul(lambda, sar(192, calldataload(source))) // the top 8 bytes, sign extended
                let sum := 0
                row := add(row, 0x20)
                source := add(source, 8)
                let entry := source
                for { let column := row } lt(column, end) { column := add(column, 0x80) } {
                    let word := calldataload(entry)
                    let part := mul(mload(column), sar(192, word))
                    part := add(part, mul(mload(add(column, 0x20)), signextend(7, shr(128, word))))
                    part := add(part, mul(mload(add(column, 0x40)), signextend(7, shr(64, word))))
                    part := add(part, mul(mload(add(column, 0x60)), signextend(7, word)))
                    sum := add(sum, part)
                    entry := add(entry, 0x20)
                }
                source := add(source, shr(2, sub(end, row)))
                sum := add(square, shl(1, sum)) // what is not on the diagonal counts twice
                form := addmod(form, mulmod(lambda, add(r, sum), r), r) // R makes the sum positive
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
    ) private view returns (uint256 form) {
        uint256 r = _r;
        assembly ("memory-safe") {
            let source := packed.offset
            let end := add(extraLambdas, shl(5, extras))
            let last := add(lambdas, shl(5, n))
            for { let row := extraLambdas } lt(row, end) { row := add(row, 0x20) } {
                let sum := 0
                for { let column := lambdas } lt(column, row) { column := add(column, 0x20) } {
                    if eq(column, last) { column := extraLambdas }
                    if eq(column, row) { break }
                    sum := addmod(sum, mulmod(mload(column), add(r, sar(128, calldataload(source))), r), r)
                    source := add(source, 0x10)
                }
                let lambda := mload(row)
                sum := addmod(sum, sum, r)
                sum := addmod(sum, mulmod(lambda, add(r, sar(128, calldataload(source))), r), r)
                source := add(source, 0x10)
                form := addmod(form, mulmod(lambda, sum, r), r)
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
        uint256 squared = mulmod(z, z, _r);
        uint256 complement;
        unchecked {
            complement = addmod(1, _r - squared, _r);
        }
        uint256 common = Bn254.inverse(mulmod(z, complement, _r));
        uint256 inverse = mulmod(common, complement, _r);
        uint256 perStep = mulmod(common, squared, _r);
        uint256 first = addmod(p.atZ, mulmod(gamma, p.correlationAtZ, _r), _r);
        uint256 second = addmod(p.atInverse, mulmod(gamma, _correlationAtInverse(p, square, z), _r), _r);
        (first, second) = _minusLine(first, second, z, perStep);
        sum.addScaled(Bn254.G1_X, Bn254.G1_Y, first);
        sum.addScaled(_tauX, _tauY, second);
        (first, second) = _minusLine(p.blindingAtZ, p.blindingAtInverse, z, perStep);
        sum.addScaled(_etaX, _etaY, first);
        sum.addScaled(_etaTauX, _etaTauY, second);
        return addmod(z, inverse, _r);
    }

    /// @dev s(1/z) = z (a(z) a(1/z) - g - z s(z)), which says that g is the constant term of a(X) a(1/X).
    function _correlationAtInverse(Proof calldata p, uint256 square, uint256 z) private view returns (uint256) {
        uint256 rest = addmod(square, mulmod(z, p.correlationAtZ, _r), _r);
        unchecked {
            return mulmod(z, addmod(mulmod(p.atZ, p.atInverse, _r), _r - rest, _r), _r);
        }
    }

    /// @dev -c and -m of the line c + m X through (z, first) and (1/z, second); `perStep` is 1 / (1/z - z).
    function _minusLine(uint256 first, uint256 second, uint256 z, uint256 perStep)
        private
        view
        returns (uint256 minusConstant, uint256 minusSlope)
    {
        unchecked {
            minusSlope = mulmod(first + _r - second, perStep, _r); // less than 2 R, which fits
            minusConstant = _r - addmod(first, mulmod(minusSlope, z, _r), _r);
        }
    }

    /// @dev e(sum - W, [1]) e(-W, [tau^2]) e((z + 1/z) W, [tau]) = 1, as (tau - z)(tau - 1/z) =
    /// tau^2 - (z + 1/z) tau + 1.
    function _checkQuotient(Bn254.Sum memory sum, IProofVerifier.Point calldata quotient, uint256 zAndInverse)
        private
        view
    {
        uint256 x = quotient.x;
        uint256 minusY;
        unchecked {
            minusY = Bn254.P - quotient.y; // y is below P, and not 0: no point of the curve has order 2
        }
        sum.add(x, minusY);
        (uint256 scaledX, uint256 scaledY) = Bn254.scaled(x, quotient.y, zAndInverse);
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
            scaledX,
            scaledY,
            _tauG2XImag,
            _tauG2XReal,
            _tauG2YImag,
            _tauG2YReal
        ];
        if (!Bn254.pairing3(input)) revert Gram_WrongProof();
    }
}
