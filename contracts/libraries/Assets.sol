// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Movement of the native coin (the zero address) and of ERC-20 tokens, in exact amounts.
library Assets {
    using SafeERC20 for IERC20;

    uint256 private constant PERMIT_BYTES = 128;

    error Assets_WrongValue(uint256 value, uint256 expected);
    error Assets_InexactTransfer(address token, uint256 received, uint256 expected);
    error Assets_InvalidPermit(uint256 length);

    /// @dev Takes exactly `amount` from `payer`. A token whose transfer credits another amount is refused.
    /// @param permit Empty, or the token holder's approval by EIP-2612: abi.encode(deadline, v, r, s).
    function receiveExact(address token, address payer, uint256 amount, bytes calldata permit) internal {
        uint256 expectedValue = token == address(0) ? amount : 0;
        if (msg.value != expectedValue) revert Assets_WrongValue(msg.value, expectedValue);
        if (token == address(0) || amount == 0) return; // some tokens refuse to move nothing
        if (permit.length != 0) _approve(token, payer, amount, permit);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(payer, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert Assets_InexactTransfer(token, received, amount);
    }

    /// @dev Pays `amount` to `recipient`, or reverts.
    function pay(address token, address recipient, uint256 amount) internal {
        if (token == address(0)) Address.sendValue(payable(recipient), amount);
        else IERC20(token).safeTransfer(recipient, amount);
    }

    /// @dev Anybody can submit a permit before this does, and it counts once: that it fails here says nothing. What
    /// matters is the allowance, which the transfer needs.
    function _approve(address token, address payer, uint256 amount, bytes calldata permit) private {
        if (permit.length != PERMIT_BYTES) revert Assets_InvalidPermit(permit.length);
        (uint256 deadline, uint8 v, bytes32 r, bytes32 s) = abi.decode(permit, (uint256, uint8, bytes32, bytes32));
        try IERC20Permit(token).permit(payer, address(this), amount, deadline, v, r, s) {} catch {}
    }
}
