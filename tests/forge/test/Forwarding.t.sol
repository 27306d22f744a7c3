// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Scene} from "../support/Scene.sol";
import {Wallet} from "../support/Wallet.sol";

interface IForwarder {
    function execute(ERC2771Forwarder.ForwardRequestData calldata request) external payable;
    function verify(ERC2771Forwarder.ForwardRequestData calldata request) external view returns (bool);
    function nonces(address account) external view returns (uint256);
    function executeBatch(ERC2771Forwarder.ForwardRequestData[] calldata requests, address payable refundReceiver)
        external
        payable;
    function cancel() external;
}

interface ITrusting {
    function trustedForwarder() external view returns (address);
    function isTrustedForwarder(address account) external view returns (bool);
}

/// @dev Relays a request from within a withdrawal, where the market takes no calls.
contract Interrupter {
    IMarket private immutable _market;
    IForwarder private immutable _forwarder;
    ERC2771Forwarder.ForwardRequestData private _held;

    constructor(IMarket market, IForwarder forwarder) {
        (_market, _forwarder) = (market, forwarder);
    }

    function interrupt(ERC2771Forwarder.ForwardRequestData calldata request) external payable {
        _held = request;
        _market.deposit{value: msg.value}(address(0), msg.value, "");
        _market.withdraw(address(0), msg.value, address(this));
    }

    receive() external payable {
        ERC2771Forwarder.ForwardRequestData[] memory all = new ERC2771Forwarder.ForwardRequestData[](1);
        all[0] = _held;
        _forwarder.executeBatch(all, payable(address(this)));
    }
}

contract ForwardingTest is Scene {
    uint256 private constant KEY = 0xb0b;
    bytes32 private constant REQUEST = keccak256(
        "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)"
    );
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    IForwarder private forwarder;
    address private signer;

    function setUp() external {
        _deploy();
        forwarder = IForwarder(ITrusting(address(market)).trustedForwarder());
        signer = vm.addr(KEY);
    }

    function test_WhenAKeyHasSigned() external {
        ERC2771Forwarder.ForwardRequestData memory r = _signed(signer, KEY);
        vm.assertTrue(ITrusting(address(market)).isTrustedForwarder(address(forwarder)), "trusted");
        vm.assertTrue(forwarder.verify(r), "valid");
        vm.prank(outsider);
        forwarder.execute(r);
        vm.assertEq(market.encryptionKeyOf(signer), "key", "key");
        vm.assertEq(forwarder.nonces(signer), 1, "nonce");
    }

    function test_WhenAnotherKeyHasSigned() external {
        ERC2771Forwarder.ForwardRequestData memory r = _signed(signer, KEY + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ERC2771Forwarder.ERC2771ForwarderInvalidSigner.selector, vm.addr(KEY + 1), signer
            )
        );
        forwarder.execute(r);
        vm.assertEq(forwarder.verify(r), false, "valid");
    }

    function test_WhenItWasRelayedBefore() external {
        ERC2771Forwarder.ForwardRequestData memory r = _signed(signer, KEY);
        forwarder.execute(r);
        vm.expectRevert();
        forwarder.execute(r);
    }

    function test_WhenTheDeadlineHasPassed() external {
        ERC2771Forwarder.ForwardRequestData memory r = _signed(signer, KEY);
        vm.warp(r.deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ERC2771Forwarder.ERC2771ForwarderExpiredRequest.selector, r.deadline)
        );
        forwarder.execute(r);
    }

    function test_WhenTheSignerCancels() external {
        ERC2771Forwarder.ForwardRequestData memory r = _signed(signer, KEY);
        vm.prank(outsider);
        forwarder.cancel();
        vm.assertTrue(forwarder.verify(r), "another's cancel");
        vm.prank(signer);
        forwarder.cancel();
        vm.assertEq(forwarder.nonces(signer), 1, "nonce");
        vm.expectRevert();
        forwarder.execute(r);
    }

    function test_WhenAWalletHasSigned() external {
        Wallet wallet = new Wallet();
        ERC2771Forwarder.ForwardRequestData memory r = _request(address(wallet));
        (r.gas, r.signature) = (200_000, "of its own");
        wallet.approve(_digest(r), "of its own");
        forwarder.execute(r);
        vm.assertEq(market.encryptionKeyOf(address(wallet)), "key", "key");
        r.signature = _signature(KEY, r);
        wallet.approve(_digest(r), r.signature);
        forwarder.execute(r);
        vm.assertEq(forwarder.nonces(address(wallet)), 2, "nonce");
    }

    function test_WhenAWalletHasSignedAnotherRequest() external {
        Wallet wallet = new Wallet();
        ERC2771Forwarder.ForwardRequestData memory r = _request(address(wallet));
        r.signature = "of its own";
        wallet.approve(_digest(r), "of its own");
        vm.assertTrue(forwarder.verify(r), "as it was signed");
        bytes[2] memory data = [r.data, abi.encodeCall(IMarket.publishKey, ("other"))];
        r.data = data[1];
        vm.assertEq(forwarder.verify(r), false, "data");
        r.data = data[0];
        r.value = 1;
        vm.assertEq(forwarder.verify(r), false, "value");
        r.value = 0;
        r.gas += 1;
        vm.assertEq(forwarder.verify(r), false, "gas");
        r.gas -= 1;
        r.deadline += 1;
        vm.assertEq(forwarder.verify(r), false, "deadline");
        r.deadline -= 1;
        r.to = address(forwarder);
        vm.assertEq(forwarder.verify(r), false, "to");
        r.to = address(market);
        vm.prank(address(wallet));
        forwarder.cancel();
        vm.expectRevert();
        forwarder.execute(r);
    }

    function test_WhenSomebodyRelaysItWhereItMustFail() external {
        uint256 id = create(usualTerms());
        vm.deal(signer, 20);
        vm.prank(signer);
        market.joinJob{value: 20}(id, 20, "");
        ERC2771Forwarder.ForwardRequestData memory r = _request(signer);
        (r.gas, r.data) = (200_000, abi.encodeCall(IMarket.leaveJob, (id, recipient)));
        r.signature = _signature(KEY, r);
        Interrupter interrupter = new Interrupter(market, forwarder);
        vm.deal(outsider, 1);
        vm.expectRevert();
        vm.prank(outsider);
        interrupter.interrupt{value: 1}(r);
        vm.assertEq(forwarder.nonces(signer), 0, "nonce");
        forwarder.execute(r);
        vm.assertEq(market.stakeOf(id, signer), 0, "left");
    }

    function test_WhenSomebodyElseAppendsASender() external {
        vm.prank(outsider);
        (bool done,) = address(market).call(abi.encodePacked(abi.encodeCall(IMarket.publishKey, ("key")), signer));
        vm.assertTrue(done, "called");
        vm.assertEq(market.encryptionKeyOf(outsider), "key", "of the caller");
        vm.assertEq(market.encryptionKeyOf(signer), 0, "of the other");
    }

    function test_WhenEverythingOfAJobIsForwarded() external {
        IMarket.JobTerms memory t = usualTerms();
        (t.hasReference, t.challengerShareBps) = (true, 10_000);
        _as(owner, 3_000, abi.encodeCall(IMarket.createJob, (t, named(), CID, "")));
        vm.assertEq(market.job(1).owner, owner, "owner");
        _as(owner, 1_000, abi.encodeCall(IMarket.extendJob, (1, 4, 1_000, t.deadline, "")));
        _as(owner, 0, abi.encodeCall(IMarket.commitReference, (1, referenceOf(1), CID, 5)));
        for (uint256 i = 0; i < 6; ++i) {
            _as(trainer(i), stakeOf(i), abi.encodeCall(IMarket.joinJob, (1, stakeOf(i), "")));
        }
        _as(trainer(0), 0, abi.encodeCall(IMarket.nameAggregator, (1, third)));
        vm.assertEq(market.namedBy(1, trainer(0)), third, "named");
        open(1);
        for (uint256 i = 0; i < 6; ++i) {
            _as(trainer(i), 0, abi.encodeCall(IMarket.commitUpdate, (1, 1, update(1, i), CID, 77)));
        }
        vm.warp(market.round(1, 1).commitEnd);
        vm.expectEmit(address(market));
        emit IMarket.TrainerSlashed(1, 1, challenger, trainer(5), 25, 25, 0);
        _as(challenger, 0, abi.encodeCall(IMarket.challengeUpdate, (1, 1, 5, EVIDENCE)));
        vm.assertEq(market.balanceOf(address(0), challenger), 25, "of the stake");
        settle(1, 1, 15 | REFERENCE_BIT, second);
        _settleWithoutBond();
        _as(third, 60, abi.encodeCall(IMarket.deposit, (address(0), 60, "")));
        IMarket.Settlement memory s = settlement(1, 1, 31 | REFERENCE_BIT);
        _as(third, 0, abi.encodeCall(IMarket.settleRound, (1, 1, s, PROOF)));
        vm.assertEq(market.round(1, 1).settledBy, third, "settledBy");
        vm.assertEq(market.balanceOf(address(0), third), 9, "bond");
        _forwardTheRest();
    }

    function _settleWithoutBond() private {
        bytes memory data = abi.encodeCall(IMarket.settleRound, (1, 1, settlement(1, 1, 31 | REFERENCE_BIT), PROOF));
        vm.deal(address(forwarder), 0);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.Market_InsufficientBalance.selector, address(0), third, 51)
        );
        vm.prank(address(forwarder));
        (bool done,) = address(market).call(abi.encodePacked(data, third));
        vm.assertTrue(done, "refused as expected");
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotAggregator.selector, 1, outsider));
        vm.prank(address(forwarder));
        (done,) = address(market).call(abi.encodePacked(data, outsider));
        vm.assertTrue(done, "refused as expected");
    }

    function _forwardTheRest() private {
        toFinal(1, 1);
        uint32[] memory numbers = new uint32[](1);
        numbers[0] = 1;
        _as(trainer(1), 0, abi.encodeCall(IMarket.claim, (1, numbers, recipient)));
        vm.assertEq(recipient.balance, 102, "claimed");
        _as(trainer(1), 0, abi.encodeCall(IMarket.leaveJob, (1, recipient)));
        vm.assertEq(recipient.balance, 102 + 21, "left");
        _as(third, 0, abi.encodeCall(IMarket.withdraw, (address(0), 9, recipient)));
        vm.assertEq(recipient.balance, 102 + 21 + 9, "withdrawn");
        _as(third, 0, abi.encodeCall(IMarket.publishKey, ("key")));
        vm.assertEq(market.encryptionKeyOf(third), "key", "key");
        _as(owner, 0, abi.encodeCall(IMarket.commitReference, (1, referenceOf(2), CID, 5)));
        join(1, 1);
        openAndCommit(1, 5);
        vm.warp(market.round(1, 2).commitEnd);
        settle(1, 2, 31 | REFERENCE_BIT, second);
        _as(challenger, 0, abi.encodeCall(IMarket.challengeSettlement, (1, 2, EVIDENCE)));
        vm.assertEq(market.balanceOf(address(0), challenger), 25 + 51, "of the bond");
        _as(owner, 0, abi.encodeCall(IMarket.closeJob, (1)));
        vm.assertTrue(market.job(1).closed, "closed");
        IMarket.JobTerms memory t = usualTerms();
        uint256 id = create(t);
        _as(owner, 0, abi.encodeCall(IMarket.stopJob, (id)));
        vm.assertEq(market.terms(id).deadline, block.timestamp, "stopped");
    }

    function test_WhenRequestsWithCoinsAreForwarded() external {
        ERC2771Forwarder.ForwardRequestData memory r = _request(signer);
        r.data = abi.encodeCall(IMarket.deposit, (address(0), 5, ""));
        r.value = 5;
        r.signature = _signature(KEY, r);
        vm.deal(outsider, 5);
        vm.prank(outsider);
        forwarder.execute{value: 5}(r);
        vm.assertEq(market.balanceOf(address(0), signer), 5, "balance");
        vm.assertEq(market.balanceOf(address(0), outsider), 0, "of who relayed");
    }

    /// @dev As the forwarder calls.
    function _as(address sender, uint256 value, bytes memory data) private {
        vm.deal(address(forwarder), value);
        vm.prank(address(forwarder));
        (bool done, bytes memory answer) = address(market).call{value: value}(abi.encodePacked(data, sender));
        if (done) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _request(address from) private view returns (ERC2771Forwarder.ForwardRequestData memory r) {
        r.from = from;
        r.to = address(market);
        r.gas = 100_000;
        r.deadline = uint48(block.timestamp + 5);
        r.data = abi.encodeCall(IMarket.publishKey, ("key"));
    }

    function _signed(address from, uint256 key) private view returns (ERC2771Forwarder.ForwardRequestData memory r) {
        r = _request(from);
        r.signature = _signature(key, r);
    }

    function _signature(uint256 key, ERC2771Forwarder.ForwardRequestData memory r) private view returns (bytes memory) {
        (uint8 v, bytes32 r_, bytes32 s) = vm.sign(key, _digest(r));
        return abi.encodePacked(r_, s, v);
    }

    function _digest(ERC2771Forwarder.ForwardRequestData memory r) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN, keccak256("Gramercy"), keccak256("1"), block.chainid, address(forwarder))
        );
        bytes memory content = abi.encode(
            REQUEST, r.from, r.to, r.value, r.gas, forwarder.nonces(r.from), r.deadline, keccak256(r.data)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(content)));
    }
}
