// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract PublishKeyTest is Scene {
    function setUp() external {
        _deploy();
    }

    function test_WhenAKeyIsPublished() external {
        vm.expectEmit(address(market));
        emit IMarket.KeyPublished(aggregator, "key");
        vm.prank(aggregator);
        market.publishKey("key");
        vm.assertEq(market.encryptionKeyOf(aggregator), "key", "key");
        vm.assertEq(market.encryptionKeyOf(second), 0, "of another");
    }

    function test_WhenTheZeroKeyIsPublished() external {
        vm.prank(aggregator);
        market.publishKey("key");
        vm.prank(aggregator);
        market.publishKey(0);
        vm.assertEq(market.encryptionKeyOf(aggregator), 0, "key");
    }
}
