// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bn254} from "./Bn254.sol";

/// @title Fiat-Shamir transcripts over Keccak-256: every challenge depends on everything said before it.
/// @dev The same bytes as aggregator/proofs/transcript.py. A protocol does not use these functions but a schedule built
/// on them, below.
library Transcript {
    /// @dev A challenge that an argument cannot use; no prover can make one up but with the hash's help.
    error Transcript_UnusableChallenge(bytes32 label);

    /// @dev Binds a message: labelled, and prefixed with its length.
    function absorb(bytes32 state, bytes32 label, bytes memory message) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(state, label, message.length, message));
    }

    /// @dev Free memory for a message that is written in place: 96 bytes for what precedes it, then the message. Nothing
    /// may be allocated before `absorbBuffer`, which leaves the memory free again.
    function newBuffer() internal pure returns (uint256 buffer, uint256 message) {
        assembly ("memory-safe") {
            buffer := mload(0x40)
            message := add(buffer, 0x60)
        }
    }

    /// @dev As `absorb`, of a message of `length` bytes in a buffer.
    function absorbBuffer(bytes32 state, bytes32 label, uint256 buffer, uint256 length)
        internal
        pure
        returns (bytes32 next)
    {
        assembly ("memory-safe") {
            mstore(buffer, state)
            mstore(add(buffer, 0x20), label)
            mstore(add(buffer, 0x40), length)
            next := keccak256(buffer, add(length, 0x60))
        }
    }

    /// @dev The same for a message in calldata.
    function absorbCalldata(bytes32 state, bytes32 label, bytes calldata message) internal pure returns (bytes32 next) {
        assembly ("memory-safe") {
            let buffer := mload(0x40) // free memory, which nobody relies on afterwards
            mstore(buffer, state)
            mstore(add(buffer, 0x20), label)
            mstore(add(buffer, 0x40), message.length)
            calldatacopy(add(buffer, 0x60), message.offset, message.length)
            next := keccak256(buffer, add(message.length, 0x60))
        }
    }

    /// @dev The next challenge word, which is also the next state.
    function challenge(bytes32 state, bytes32 label) internal pure returns (bytes32 next) {
        assembly ("memory-safe") {
            mstore(0, state)
            mstore(0x20, label)
            next := keccak256(0, 0x40)
        }
    }

    /// @dev A challenge word as a field element other than 0.
    function scalar(bytes32 word, bytes32 label) internal pure returns (uint256 value) {
        value = uint256(word) % Bn254.R;
        if (value == 0) revert Transcript_UnusableChallenge(label);
    }

    /// @dev A challenge word as a field element that differs from its inverse: neither 0 nor 1 nor -1.
    function evaluationPoint(bytes32 word, bytes32 label) internal pure returns (uint256 value) {
        value = scalar(word, label);
        if (mulmod(value, value, Bn254.R) == 1) revert Transcript_UnusableChallenge(label);
    }
}

/// @title The Gram argument's schedule: statement, mask -> lambda, correlation -> z, evaluations -> gamma.
/// @dev Each step takes what the step before it returned, and the types differ: the compiler refuses a message left out
/// or out of order, and there is no challenge to be had before the message that it must depend on.
library GramTranscript {
    type Stated is bytes32;
    type Masked is bytes32;
    type Correlated is bytes32;

    bytes32 private constant TAG = keccak256("gramercy/gram/3");

    /// @param buffer The statement, see Transcript.newBuffer.
    function begin(uint256 buffer, uint256 length) internal pure returns (Stated) {
        return Stated.wrap(Transcript.absorbBuffer(TAG, "statement", buffer, length));
    }

    /// @param message C_m and mu.
    function mask(Stated state, bytes calldata message) internal pure returns (Masked, bytes32 lambda) {
        lambda = Transcript.absorbCalldata(Stated.unwrap(state), "mask", message);
        lambda = Transcript.challenge(lambda, "lambda");
        return (Masked.wrap(lambda), lambda);
    }

    /// @param message S.
    function correlation(Masked state, bytes calldata message) internal pure returns (Correlated, uint256 z) {
        bytes32 word = Transcript.absorbCalldata(Masked.unwrap(state), "correlation", message);
        word = Transcript.challenge(word, "z");
        return (Correlated.wrap(word), Transcript.evaluationPoint(word, "z"));
    }

    /// @param message a(z), a(1/z) and s(z).
    function evaluations(Correlated state, bytes calldata message) internal pure returns (uint256 gamma) {
        bytes32 word = Transcript.absorbCalldata(Correlated.unwrap(state), "evaluations", message);
        return Transcript.scalar(Transcript.challenge(word, "gamma"), "gamma");
    }
}

/// @title The chunk opening's schedule: statement -> rho, cross terms -> z, evaluations -> gamma, quotients -> delta.
library OpeningTranscript {
    type Stated is bytes32;
    type Crossed is bytes32;
    type Evaluated is bytes32;

    bytes32 private constant TAG = keccak256("gramercy/opening/1");

    function begin(bytes memory statement) internal pure returns (Stated, uint256 rho) {
        bytes32 word = Transcript.challenge(Transcript.absorb(TAG, "statement", statement), "rho");
        return (Stated.wrap(word), Transcript.scalar(word, "rho"));
    }

    /// @param message S+ and S-.
    function cross(Stated state, bytes memory message) internal pure returns (Crossed, uint256 z) {
        bytes32 word = Transcript.challenge(Transcript.absorb(Stated.unwrap(state), "cross", message), "z");
        return (Crossed.wrap(word), Transcript.evaluationPoint(word, "z"));
    }

    /// @param message U(z), s+(z) and H(z).
    function evaluations(Crossed state, bytes memory message) internal pure returns (Evaluated, uint256 gamma) {
        bytes32 word = Transcript.challenge(Transcript.absorb(Crossed.unwrap(state), "evaluations", message), "gamma");
        return (Evaluated.wrap(word), Transcript.scalar(word, "gamma"));
    }

    /// @param message W1 and W2.
    function quotients(Evaluated state, bytes memory message) internal pure returns (uint256 delta) {
        bytes32 word = Transcript.absorb(Evaluated.unwrap(state), "quotients", message);
        return Transcript.scalar(Transcript.challenge(word, "delta"), "delta");
    }
}
