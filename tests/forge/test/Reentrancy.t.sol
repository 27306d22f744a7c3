// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {CallbackToken} from "../support/CallbackToken.sol";
import {Scene} from "../support/Scene.sol";
import {Token} from "../support/Token.sol";

contract ReentrancyTest is Scene {
    CallbackToken private hostile;
    uint256 private id;
    bytes[] private calls;

    function setUp() external {
        _deploy();
        hostile = new CallbackToken();
        token = Token(address(hostile));
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(hostile);
        id = committedJob(t);
        settle(id, 1, 31, aggregator);
        toFinal(id, 1);
        IMarket.Settlement memory s = settlement(id, 1, 31);
        calls.push(abi.encodeCall(IMarket.deposit, (address(hostile), 1, "")));
        calls.push(abi.encodeCall(IMarket.withdraw, (address(hostile), 1, recipient)));
        calls.push(abi.encodeCall(IMarket.createJob, (t, named(), CID, "")));
        calls.push(abi.encodeCall(IMarket.extendJob, (id, 4, 1_000, t.deadline, "")));
        calls.push(abi.encodeCall(IMarket.joinJob, (id, 10, "")));
        calls.push(abi.encodeCall(IMarket.leaveJob, (id, recipient)));
        calls.push(abi.encodeCall(IMarket.claim, (id, new uint32[](0), recipient)));
        calls.push(abi.encodeCall(IMarket.settleRound, (id, 1, s, PROOF)));
        calls.push(abi.encodeCall(IMarket.challengeSettlement, (id, 1, EVIDENCE)));
        calls.push(abi.encodeCall(IMarket.challengeUpdate, (id, 1, 0, EVIDENCE)));
    }

    function test_WhenATokenCallsBackWhileItIsPaidIn() external {
        for (uint256 i = 0; i < calls.length; ++i) {
            fund(address(hostile), outsider, 100);
            hostile.callBack(address(market), calls[i]);
            vm.prank(outsider);
            market.deposit(address(hostile), 5, "");
            _refused();
        }
        bytes memory inner = calls[0];
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(hostile);
        address[] memory aggregators = named();
        fund(address(hostile), owner, 3_000);
        hostile.callBack(address(market), inner);
        vm.prank(owner);
        market.createJob(t, aggregators, CID, "");
        _refused();
        uint64 deadline = market.terms(id).deadline;
        fund(address(hostile), owner, 1_000);
        hostile.callBack(address(market), inner);
        vm.prank(owner);
        market.extendJob(id, 4, 1_000, deadline, "");
        _refused();
        fund(address(hostile), outsider, 10);
        hostile.callBack(address(market), inner);
        vm.prank(outsider);
        market.joinJob(id, 10, "");
        _refused();
    }

    function test_WhenATokenCallsBackWhileItIsPaidOut() external {
        fund(address(hostile), outsider, 100);
        vm.prank(outsider);
        market.deposit(address(hostile), 100, "");
        for (uint256 i = 0; i < calls.length; ++i) {
            hostile.callBack(address(market), calls[i]);
            vm.prank(outsider);
            market.withdraw(address(hostile), 5, recipient);
            _refused();
        }
        hostile.callBack(address(market), calls[1]);
        vm.prank(trainer(0));
        market.leaveJob(id, recipient);
        _refused();
        uint32[] memory numbers = new uint32[](1);
        numbers[0] = 1;
        hostile.callBack(address(market), calls[1]);
        vm.prank(trainer(1));
        market.claim(id, numbers, recipient);
        _refused();
    }

    function _refused() private view {
        vm.assertTrue(hostile.called(), "called back");
        vm.assertEq(
            bytes32(hostile.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "refused"
        );
    }
}
