// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract ReleaseBondTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = settledJob(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        market.releaseBond(2, 1);
    }

    function test_GivenTheRoundIsNotFinal() external {
        vm.warp(market.round(id, 1).challengeEnd - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Challengeable)
        );
        market.releaseBond(id, 1);
        overturn(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Void));
        market.releaseBond(id, 1);
    }

    function test_GivenNoBondIsHeld() external {
        toFinal(id, 1);
        market.releaseBond(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotBonded.selector, id, 1));
        market.releaseBond(id, 1);
    }

    function test_GivenABondBehindAFinalRound() external {
        toFinal(id, 1);
        vm.expectEmit(address(market));
        emit IMarket.BondReleased(id, 1, aggregator, 51);
        vm.prank(outsider);
        market.releaseBond(id, 1);
        vm.assertEq(market.balanceOf(address(0), aggregator), 51, "credited");
        vm.assertEq(market.round(id, 1).bonded, false, "bonded");
        vm.prank(owner);
        market.closeJob(id);
        vm.assertEq(market.balanceOf(address(0), aggregator), 51, "once");
    }
}
