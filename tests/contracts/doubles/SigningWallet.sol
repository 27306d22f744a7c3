// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Wallet} from "./Wallet.sol";

/// @title A contract account that stands by what its key signs (ERC-1271).
contract SigningWallet is Wallet, IERC1271 {
    address private immutable _key;

    constructor(address key) {
        _key = key;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(hash, signature);
        return problem == ECDSA.RecoverError.NoError && signer == _key ? this.isValidSignature.selector : bytes4(0);
    }

    receive() external payable {}
}
