// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Assets} from "../../../contracts/libraries/Assets.sol";
import {Cids} from "../../../contracts/libraries/Cids.sol";
import {Permits} from "../support/Permits.sol";

contract CreateJobTest is Permits {
    function setUp() external {
        _deploy();
    }

    function test_WhenATermIsOutOfRange() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = outsider;
        _refused(t, "token");
        t = usualTerms();
        t.verifier = IProofVerifier(outsider);
        _refused(t, "verifier");
        t = usualTerms();
        t.rule = "median";
        _refused(t, "rule");
        t = usualTerms();
        t.score = "cosine";
        _refused(t, "rule");
        t = usualTerms();
        t.dimension = 13;
        _refused(t, "rule");
        t = usualTerms();
        t.maxTrainers = 13;
        _refused(t, "rule");
        _moneyOutOfRange();
        _figuresOutOfRange();
        _windowsOutOfRange();
    }

    function _moneyOutOfRange() private {
        IMarket.JobTerms memory t = usualTerms();
        t.roundBudget = 0;
        _refused(t, "roundBudget");
        t = usualTerms();
        t.rounds = 0;
        _refused(t, "rounds");
        t = usualTerms();
        (t.stakeMin, t.stakeMax) = (0, 0);
        _refused(t, "stakeMin");
        t = usualTerms();
        t.stakeMax = t.stakeMin - 1;
        _refused(t, "stakeMax");
        t = usualTerms();
        t.challengerShareBps = 10_001;
        _refused(t, "challengerShareBps");
        t = usualTerms();
        t.floorBps = 10_001;
        _refused(t, "floorBps");
        t = usualTerms();
        t.capBps = 9_999;
        _refused(t, "capBps");
        t.capBps = 1;
        _refused(t, "capBps");
    }

    function _figuresOutOfRange() private {
        IMarket.JobTerms memory t = usualTerms();
        t.maxTrainers = 65;
        _refused(t, "maxTrainers");
        t = usualTerms();
        t.minTrainers = t.maxTrainers + 1;
        _refused(t, "minTrainers");
        t = usualTerms();
        t.minTrainers = 4;
        _refused(t, "byzantine");
        t.byzantine = 32_767;
        _refused(t, "byzantine");
        (t.minTrainers, t.byzantine) = (2, 0);
        _refused(t, "byzantine");
        t = usualTerms();
        (t.bits, t.headroomBits) = (3, 0);
        _refused(t, "bits");
        t.bits = 17;
        _refused(t, "bits");
        t.bits = 8;
        t.headroomBits = 6;
        _refused(t, "headroomBits");
        t.headroomBits = 255;
        _refused(t, "headroomBits");
        t = usualTerms();
        t.dimension = 0;
        _refused(t, "dimension");
        t.dimension = 1 << 47;
        _refused(t, "dimension");
        t = usualTerms();
        t.scaleExponent = 65;
        _refused(t, "scaleExponent");
        t.scaleExponent = -65;
        _refused(t, "scaleExponent");
    }

    function _windowsOutOfRange() private {
        IMarket.JobTerms memory t = usualTerms();
        t.commitSeconds = 0;
        _refused(t, "commitSeconds");
        t.commitSeconds = 30 days + 1;
        _refused(t, "commitSeconds");
        t = usualTerms();
        t.settleSeconds = 0;
        _refused(t, "settleSeconds");
        t.settleSeconds = 30 days + 1;
        _refused(t, "settleSeconds");
        t = usualTerms();
        t.challengeSeconds = 30 days + 1;
        _refused(t, "challengeSeconds");
        t.challengeSeconds = 0;
        _refused(t, "challengeSeconds");
        t = usualTerms();
        t.deadline = uint64(block.timestamp);
        _refused(t, "deadline");
        t.deadline = uint64(block.timestamp + 3650 days + 1);
        _refused(t, "deadline");
    }

    function test_WhenATermIsAtItsBound() external {
        IMarket.JobTerms memory t = usualTerms();
        (t.roundBudget, t.rounds, t.stakeMin, t.stakeMax) = (1, 1, 1, 1);
        (t.challengerShareBps, t.floorBps, t.capBps) = (10_000, 10_000, 10_000);
        (t.minTrainers, t.maxTrainers, t.byzantine) = (64, 64, 30);
        (t.bits, t.headroomBits, t.dimension, t.scaleExponent) = (16, 13, (1 << 31) - 1, 64);
        (t.commitSeconds, t.settleSeconds, t.challengeSeconds) = (30 days, 30 days, 30 days);
        t.deadline = uint64(block.timestamp + 3650 days);
        _kept(t);
        (t.challengerShareBps, t.floorBps, t.capBps, t.aggregatorBond) = (0, 0, 0, 0);
        (t.minTrainers, t.maxTrainers, t.byzantine) = (3, 3, 0);
        (t.bits, t.headroomBits, t.dimension, t.scaleExponent) = (4, 1, 1, -64);
        (t.commitSeconds, t.settleSeconds, t.challengeSeconds) = (1, 1, 0);
        t.deadline = uint64(block.timestamp + 1);
        t.token = address(token);
        t.refundVoid = true;
        _kept(t);
        t.aggregatorBond = 1;
        t.challengeSeconds = 1;
        _kept(t);
    }

    function test_WhenTheManifestIsNoCID() external {
        bytes[4] memory wrong = [
            bytes(hex"01551220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"),
            hex"01551220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
            hex"01561220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            hex""
        ];
        IMarket.JobTerms memory t = usualTerms();
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Cids.Cids_Invalid.selector, wrong[i]));
            market.createJob(t, named(), wrong[i], "");
        }
        t = usualTerms();
        vm.deal(owner, 3_000);
        vm.prank(owner);
        market.createJob{value: 3_000}(
            t, named(), hex"01701220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", ""
        );
    }

    function test_WhenNobodyOrTooManyAreNamed() external {
        IMarket.JobTerms memory t = usualTerms();
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, bytes32("aggregators")));
        market.createJob(t, new address[](0), CID, "");
        address[] memory nine = new address[](9);
        for (uint256 i = 0; i < 9; ++i) {
            nine[i] = trainer(i);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, bytes32("aggregators")));
        market.createJob(t, nine, CID, "");
        assembly ("memory-safe") {
            mstore(nine, 8)
        }
        vm.deal(owner, 3_000);
        vm.prank(owner);
        uint256 id = market.createJob{value: 3_000}(t, nine, CID, "");
        for (uint256 i = 0; i < 9; ++i) {
            vm.assertEq(market.isAggregator(id, trainer(i)), i < 8, "named");
        }
    }

    function test_WhenTheZeroAddressIsNamed() external {
        address[] memory two = new address[](2);
        two[0] = aggregator;
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, bytes32("aggregators")));
        market.createJob(usualTerms(), two, CID, "");
    }

    function test_GivenCoins_WhenTheValueIsNotTheEscrow() external {
        IMarket.JobTerms memory t = usualTerms();
        vm.deal(owner, 10_000);
        for (uint256 value = 2_999; value < 3_003; value += 2) {
            vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, value, 3_000));
            vm.prank(owner);
            market.createJob{value: value}(t, named(), CID, "");
        }
    }

    function test_GivenCoins_WhenTheValueIsTheEscrow() external {
        IMarket.JobTerms memory t = usualTerms();
        vm.deal(owner, 3_000);
        vm.expectEmit(address(market));
        emit IMarket.JobCreated(1, owner, t, named(), CID);
        vm.prank(owner);
        uint256 id = market.createJob{value: 3_000}(t, named(), CID, "");
        vm.assertEq(id, 1, "id");
        vm.assertEq(market.jobCount(), 1, "count");
        IMarket.Job memory j = market.job(id);
        vm.assertEq(keccak256(abi.encode(j)), keccak256(abi.encode(owner, false, 0, 0, 0, 3_000)), "job");
        vm.assertTrue(market.isAggregator(id, aggregator) && market.isAggregator(id, second), "named");
        vm.assertTrue(!market.isAggregator(id, third) && !market.isAggregator(id, owner), "not named");
        vm.assertEq(create(t), 2, "the next id");
    }

    function test_GivenAToken_WhenCoinsAreSent() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(token);
        fund(t.token, owner, 3_000);
        vm.deal(owner, 1);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, 1, 0));
        vm.prank(owner);
        market.createJob{value: 1}(t, named(), CID, "");
    }

    function test_GivenAToken_WhenTheTokenDeliversLess() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(token);
        fund(t.token, owner, 3_000);
        token.setFee(1);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_InexactTransfer.selector, token, 2_999, 3_000));
        vm.prank(owner);
        market.createJob(t, named(), CID, "");
    }

    function test_GivenAToken_WhenAPermitIsGiven() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(token);
        token.mint(signer(), 3_000);
        bytes memory permit = permitOf(3_000);
        vm.prank(signer());
        uint256 id = market.createJob(t, named(), CID, permit);
        vm.assertEq(token.balanceOf(address(market)), 3_000, "taken");
        vm.assertEq(market.job(id).owner, signer(), "owner");
    }

    function _refused(IMarket.JobTerms memory t, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, field));
        market.createJob(t, named(), CID, "");
    }

    function _kept(IMarket.JobTerms memory t) private {
        uint256 id = create(t);
        vm.assertEq(keccak256(abi.encode(market.terms(id))), keccak256(abi.encode(t)), "terms");
    }
}
