// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Assets} from "../../../contracts/libraries/Assets.sol";
import {Permits} from "../support/Permits.sol";

contract DepositTest is Permits {
    function setUp() external {
        _deploy();
    }

    function test_WhenTheAmountIsZero() external {
        vm.expectRevert(IMarket.Market_ZeroAmount.selector);
        market.deposit(address(0), 0, "");
    }

    function test_GivenCoins_WhenTheValueIsNotTheAmount() external {
        vm.deal(outsider, 10);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, 4, 5));
        vm.prank(outsider);
        market.deposit{value: 4}(address(0), 5, "");
    }

    function test_GivenCoins_WhenTheValueIsTheAmount() external {
        vm.deal(outsider, 10);
        vm.expectEmit(address(market));
        emit IMarket.Deposited(address(0), outsider, 5);
        vm.prank(outsider);
        market.deposit{value: 5}(address(0), 5, "");
        vm.prank(outsider);
        market.deposit{value: 3}(address(0), 3, hex"01");
        vm.assertEq(market.balanceOf(address(0), outsider), 8, "balance");
        vm.assertEq(address(market).balance, 8, "held");
    }

    function test_GivenAToken_WhenCoinsAreSent() external {
        fund(address(token), outsider, 5);
        vm.deal(outsider, 5);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, 5, 0));
        vm.prank(outsider);
        market.deposit{value: 5}(address(token), 5, "");
    }

    function test_GivenAToken_WhenItDeliversLess() external {
        token.mint(address(market), 9);
        fund(address(token), outsider, 5);
        token.setFee(2);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_InexactTransfer.selector, token, 3, 5));
        vm.prank(outsider);
        market.deposit(address(token), 5, "");
    }

    function test_GivenAToken_WhenItWasApproved() external {
        token.mint(address(market), 9);
        fund(address(token), outsider, 5);
        vm.prank(outsider);
        market.deposit(address(token), 5, "");
        vm.assertEq(market.balanceOf(address(token), outsider), 5, "balance");
        vm.assertEq(market.balanceOf(address(0), outsider), 0, "of another token");
        vm.assertEq(token.balanceOf(address(market)), 14, "held");
    }

    function test_GivenAToken_WhenAPermitIsGiven() external {
        token.mint(signer(), 5);
        bytes memory permit = permitOf(5);
        vm.prank(signer());
        market.deposit(address(token), 5, permit);
        vm.assertEq(market.balanceOf(address(token), signer()), 5, "balance");
    }

    function test_GivenAToken_WhenAPermitWasSubmittedBefore() external {
        token.mint(signer(), 5);
        uint256 deadline = block.timestamp + 1;
        (uint8 v, bytes32 r, bytes32 s) = signed(5, deadline);
        token.permit(signer(), address(market), 5, deadline, v, r, s);
        vm.prank(signer());
        market.deposit(address(token), 5, abi.encode(deadline, v, r, s));
        vm.assertEq(market.balanceOf(address(token), signer()), 5, "balance");
    }

    function test_GivenAToken_WhenAPermitIsOfAnotherLength() external {
        fund(address(token), outsider, 5);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_InvalidPermit.selector, 127));
        vm.prank(outsider);
        market.deposit(address(token), 5, new bytes(127));
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_InvalidPermit.selector, 160));
        vm.prank(outsider);
        market.deposit(address(token), 5, new bytes(160));
    }

    function test_GivenAToken_WhenAPermitIsWrong() external {
        fund(address(token), outsider, 5);
        vm.prank(outsider);
        market.deposit(address(token), 5, new bytes(128));
        vm.assertEq(market.balanceOf(address(token), outsider), 5, "balance");
        token.mint(outsider, 5);
        vm.expectRevert();
        vm.prank(outsider);
        market.deposit(address(token), 5, new bytes(128));
    }

    function test_GivenAToken_WhenThereIsNoToken() external {
        vm.expectRevert();
        vm.prank(outsider);
        market.deposit(recipient, 5, "");
    }
}
