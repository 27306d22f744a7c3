// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bn254} from "./Bn254.sol";

/// @title The structured reference string of a verifier: its constants, its digest, and the checks that a contract can
/// make of it.
/// @dev Given as eighteen words, as aggregator/srs.py's VerifyingKey.words() has them: the number of powers, the digest of
/// all powers, [tau]_1, [eta]_1, [eta tau]_1, [eta tau^2]_1 (x, y each), [tau]_2, [tau^2]_2 (in the order of EIP-197).
/// The powers themselves are too many to look at: whoever uses a verifier checks them against the digest, once.
abstract contract ReferenceString {
    uint256 private constant SIZE = 0;
    uint256 private constant TAU = 2;
    uint256 private constant ETA = 4;
    uint256 private constant ETA_TAU = 6;
    uint256 private constant ETA_TAU2 = 8;
    uint256 private constant TAU_G2 = 10;
    uint256 private constant TAU2_G2 = 14;

    /// @dev One entry and the mask's eight coefficients.
    uint256 private constant MIN_SIZE = 9;
    uint256 private constant MAX_SIZE = 1 << 28;
    bytes32 private constant TAG = keccak256("gramercy/srs/1");
    /// @dev x of [tau]_1 of the development string, whose secrets are public: tau = keccak256(
    /// "gramercy/srs/development/tau") modulo the group order. Anybody can prove anything with it.
    uint256 private constant DEVELOPMENT_TAU_X = 0x01f442fe1e6157f151f4a339b0dc265db8ca8431a90bc3337994a5e9e705fd08;

    /// @notice Names the reference string; see docs/protocol.md.
    bytes32 public immutable srsDigest;
    /// @notice Number of powers: updates have at most this many entries, less 8.
    uint256 public immutable srsSize;

    uint256 internal immutable _tauX;
    uint256 internal immutable _tauY;
    uint256 internal immutable _etaX;
    uint256 internal immutable _etaY;
    uint256 internal immutable _etaTauX;
    uint256 internal immutable _etaTauY;
    uint256 internal immutable _tauG2XImag;
    uint256 internal immutable _tauG2XReal;
    uint256 internal immutable _tauG2YImag;
    uint256 internal immutable _tauG2YReal;
    uint256 internal immutable _tau2G2XImag;
    uint256 internal immutable _tau2G2XReal;
    uint256 internal immutable _tau2G2YImag;
    uint256 internal immutable _tau2G2YReal;

    error Srs_WrongSize(uint256 size);
    error Srs_InvalidPoint(uint256 word);
    error Srs_Inconsistent(uint256 word);
    error Srs_Development(uint256 chainId);
    error Srs_Initial();

    constructor(uint256[18] memory words) {
        _check(words);
        srsDigest = keccak256(abi.encodePacked(TAG, words));
        srsSize = words[SIZE];
        (_tauX, _tauY) = (words[TAU], words[TAU + 1]);
        (_etaX, _etaY) = (words[ETA], words[ETA + 1]);
        (_etaTauX, _etaTauY) = (words[ETA_TAU], words[ETA_TAU + 1]);
        (_tauG2XImag, _tauG2XReal) = (words[TAU_G2], words[TAU_G2 + 1]);
        (_tauG2YImag, _tauG2YReal) = (words[TAU_G2 + 2], words[TAU_G2 + 3]);
        (_tau2G2XImag, _tau2G2XReal) = (words[TAU2_G2], words[TAU2_G2 + 1]);
        (_tau2G2YImag, _tau2G2YReal) = (words[TAU2_G2 + 2], words[TAU2_G2 + 3]);
    }

    /// @dev That the points belong to one tau and one eta, and that the string is no development string where anything
    /// is at stake. That nobody knows tau and eta no contract can check.
    function _check(uint256[18] memory words) private view {
        if (words[SIZE] < MIN_SIZE || words[SIZE] > MAX_SIZE) revert Srs_WrongSize(words[SIZE]);
        for (uint256 word = TAU; word < TAU_G2; word += 2) {
            if (!Bn254.isPoint(words[word], words[word + 1])) revert Srs_InvalidPoint(word);
        }
        if (words[TAU] == Bn254.G1_X) revert Srs_Initial();
        if (words[TAU] == DEVELOPMENT_TAU_X && !_isLocal(block.chainid)) revert Srs_Development(block.chainid);
        uint256[4] memory one = [Bn254.G2_X_IMAG, Bn254.G2_X_REAL, Bn254.G2_Y_IMAG, Bn254.G2_Y_REAL];
        uint256[4] memory tau = _g2(words, TAU_G2);
        uint256[2] memory generator = [Bn254.G1_X, Bn254.G1_Y];
        _requireEqual(_g1(words, TAU), one, generator, tau, TAU_G2);
        _requireEqual(_g1(words, TAU), tau, generator, _g2(words, TAU2_G2), TAU2_G2);
        _requireEqual(_g1(words, ETA_TAU), one, _g1(words, ETA), tau, ETA_TAU);
        _requireEqual(_g1(words, ETA_TAU2), one, _g1(words, ETA_TAU), tau, ETA_TAU2);
    }

    /// @dev Chain ids of development chains: ganache's, anvil's and hardhat's, eth-tester's.
    function _isLocal(uint256 chainId) private pure returns (bool) {
        return chainId == 1337 || chainId == 31337 || chainId == 131277322940537;
    }

    /// @dev e(a, b) = e(c, d).
    function _requireEqual(
        uint256[2] memory a,
        uint256[4] memory b,
        uint256[2] memory c,
        uint256[4] memory d,
        uint256 word
    ) private view {
        uint256[12] memory input = [
            a[0], a[1], b[0], b[1], b[2], b[3], c[0], Bn254.negated(c[1]), d[0], d[1], d[2], d[3]
        ];
        if (!Bn254.pairing2(input)) revert Srs_Inconsistent(word);
    }

    function _g1(uint256[18] memory words, uint256 word) private pure returns (uint256[2] memory) {
        return [words[word], words[word + 1]];
    }

    function _g2(uint256[18] memory words, uint256 word) private pure returns (uint256[4] memory) {
        return [words[word], words[word + 1], words[word + 2], words[word + 3]];
    }
}
