// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract wallet that takes the signature of exactly one text (ERC-1271).
contract Wallet {
    bytes32 private _signed;

    function approve(bytes32 digest, bytes calldata signature) external {
        _signed = keccak256(abi.encode(digest, signature));
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return keccak256(abi.encode(digest, signature)) == _signed ? this.isValidSignature.selector : bytes4(0);
    }
}
