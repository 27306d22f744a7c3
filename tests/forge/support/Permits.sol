// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Scene} from "./Scene.sol";

/// @title An account whose key the tests have, and its approvals by signature (EIP-2612).
abstract contract Permits is Scene {
    uint256 internal constant KEY = 0xa11ce;

    function signer() internal pure returns (address) {
        return vm.addr(KEY);
    }

    /// @dev Bytes that every deposit takes.
    function permitOf(uint256 amount) internal view returns (bytes memory) {
        uint256 deadline = block.timestamp + 1;
        (uint8 v, bytes32 r, bytes32 s) = signed(amount, deadline);
        return abi.encode(deadline, v, r, s);
    }

    function signed(uint256 amount, uint256 deadline) internal view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content =
            keccak256(abi.encode(typeHash, signer(), address(market), amount, token.nonces(signer()), deadline));
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content)));
    }
}
