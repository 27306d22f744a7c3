// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract WithdrawTest is Scene {
    function setUp() external {
        _deploy();
        for (uint256 i = 0; i < 2; ++i) {
            address token_ = i == 0 ? address(0) : address(token);
            uint256 value = fund(token_, outsider, 10);
            vm.prank(outsider);
            market.deposit{value: value}(token_, 10, "");
        }
    }

    function test_WhenTheAmountIsZero() external {
        vm.expectRevert(IMarket.Market_ZeroAmount.selector);
        vm.prank(outsider);
        market.withdraw(address(0), 0, recipient);
    }

    function test_WhenTheRecipientIsZero() external {
        vm.expectRevert(IMarket.Market_ZeroRecipient.selector);
        vm.prank(outsider);
        market.withdraw(address(0), 1, address(0));
    }

    function test_WhenTheBalanceIsBelowTheAmount() external {
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.Market_InsufficientBalance.selector, address(token), outsider, 11)
        );
        vm.prank(outsider);
        market.withdraw(address(token), 11, recipient);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InsufficientBalance.selector, address(0), owner, 1));
        vm.prank(owner);
        market.withdraw(address(0), 1, recipient);
    }

    function test_GivenCoins() external {
        _withdraws(address(0), 4);
        _withdraws(address(0), 6);
    }

    function test_GivenAToken() external {
        _withdraws(address(token), 10);
    }

    function test_WhenTheRecipientRefuses() external {
        vm.expectRevert();
        vm.prank(outsider);
        market.withdraw(address(0), 4, address(verifier));
        vm.assertEq(market.balanceOf(address(0), outsider), 10, "balance");
    }

    function _withdraws(address token_, uint256 amount) private {
        uint256 had = holding(token_, recipient);
        uint256 free = market.balanceOf(token_, outsider);
        vm.expectEmit(address(market));
        emit IMarket.Withdrawn(token_, outsider, amount, recipient);
        vm.prank(outsider);
        market.withdraw(token_, amount, recipient);
        vm.assertEq(holding(token_, recipient), had + amount, "paid");
        vm.assertEq(market.balanceOf(token_, outsider), free - amount, "balance");
    }
}
