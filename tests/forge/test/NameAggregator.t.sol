// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract NameAggregatorTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
        joinAll(id, 5);
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        vm.prank(trainer(0));
        market.nameAggregator(2, third);
    }

    function test_GivenTheCallerHasNotJoined() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotTrainer.selector, id, outsider));
        vm.prank(outsider);
        market.nameAggregator(id, third);
    }

    function test_WhenAnAccountIsNamed() external {
        vm.expectEmit(address(market));
        emit IMarket.AggregatorNamed(id, trainer(0), third);
        _names(0, third);
        vm.assertTrue(market.isAggregator(id, third), "aggregator");
        vm.assertEq(market.namedBy(id, trainer(0)), third, "named");
        vm.assertEq(market.isAggregator(id + 1, third), false, "of another job");
    }

    function test_GivenAnotherOneWasNamed() external {
        _names(0, third);
        _names(0, outsider);
        vm.assertEq(market.isAggregator(id, third), false, "before");
        vm.assertTrue(market.isAggregator(id, outsider), "now");
    }

    function test_WhenTheZeroAddressIsNamed() external {
        _names(0, third);
        _names(0, address(0));
        vm.assertEq(market.isAggregator(id, third), false, "aggregator");
        vm.assertEq(market.isAggregator(id, address(0)), false, "the zero address");
        _names(0, address(0));
    }

    function test_GivenTwoNameTheSame() external {
        _names(0, third);
        _names(1, third);
        _names(0, address(0));
        vm.assertTrue(market.isAggregator(id, third), "named by one");
        _names(1, address(0));
        vm.assertEq(market.isAggregator(id, third), false, "named by none");
    }

    function test_GivenTheOwnerNamedItToo() external {
        _names(0, second);
        _names(0, address(0));
        vm.assertTrue(market.isAggregator(id, second), "aggregator");
    }

    function test_GivenItWasSlashed() external {
        openAndCommit(id, 5);
        vm.warp(market.round(id, 1).commitEnd);
        settle(id, 1, 31, aggregator);
        overturn(id, 1);
        _names(0, aggregator);
        vm.assertEq(market.isAggregator(id, aggregator), false, "aggregator");
    }

    function _names(uint256 i, address account) private {
        vm.prank(trainer(i));
        market.nameAggregator(id, account);
    }
}
