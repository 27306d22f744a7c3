// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Books} from "./Books.sol";

/// @title Moves of many actors in jobs of many terms, none of which the market may refuse; and what they added up to.
/// @dev A move that is not possible now does nothing, so that a refusal is a fault of the market or of this contract.
contract Handler is Books {
    uint256 private constant MAX_JOBS = 3;
    uint32 private constant MAX_ROUNDS = 6;

    mapping(address token => uint256) public paidIn;
    mapping(address token => uint256) public paidOut;
    mapping(address token => uint256) public forced;
    mapping(uint256 id => mapping(address aggregator => bool)) public dismissed;
    mapping(uint256 id => mapping(uint32 number => uint256)) public budgetOf;

    constructor() {
        _deploy();
        _newJob(0);
        _newJob(1);
    }

    function theMarket() external view returns (IMarket) {
        return market;
    }

    function theToken() external view returns (address) {
        return address(token);
    }

    /// @dev What backs the other jobs stays as it was; free balances of tokens other than this job's too.
    modifier only(uint256 id) {
        uint256[] memory before = _backings();
        address other = id % 2 == 0 ? address(0) : address(token);
        uint256 free = freeBalances(other);
        _;
        _checkOthers(id, before, other, free);
    }

    /// @dev Before the move itself, up to three of those that come next in the job: rounds are so reached and ended.
    modifier later(uint256 jobSeed) {
        for (uint256 i = (jobSeed >> 8) % 7; i > 3; --i) {
            _advance(_job(jobSeed), jobSeed >> (16 + i));
        }
        _;
    }

    /*//////////////////////////////////////////////////////////////
                                 OWNERS
    //////////////////////////////////////////////////////////////*/

    function createJob(uint256 seed) external only(0) {
        if (market.jobCount() < MAX_JOBS) _newJob(seed);
    }

    function extendJob(uint256 jobSeed, uint256 rounds, uint256 budget, uint256 time)
        external
        only(_job(jobSeed))
        later(jobSeed)
    {
        uint256 id = _job(jobSeed);
        IMarket.Job memory j = market.job(id);
        if (j.closed || !_terminal(id, j.round)) return;
        IMarket.JobTerms memory t = market.terms(id);
        _extend(id, t, t.rounds + uint32(rounds % 2), t.roundBudget + uint128(budget % 500), t.deadline + uint64(time % 500));
    }

    function stopJob(uint256 jobSeed, uint256 chance) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        if (chance % 8 != 0 || market.job(id).closed || block.timestamp >= market.terms(id).deadline) return;
        vm.prank(owner);
        market.stopJob(id);
    }

    function closeJob(uint256 jobSeed, uint256 chance) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        IMarket.Job memory j = market.job(id);
        if (chance % 8 != 0 || j.closed || !_terminal(id, j.round)) return;
        vm.prank(owner);
        market.closeJob(id);
    }

    /*//////////////////////////////////////////////////////////////
                                TRAINERS
    //////////////////////////////////////////////////////////////*/

    function joinJob(uint256 jobSeed, uint256 who, uint256 stake) external only(_job(jobSeed)) later(jobSeed) {
        _join(_job(jobSeed), who % TRAINERS, stake);
    }

    function leaveJob(uint256 jobSeed, uint256 who) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        address caller = trainer(who % TRAINERS);
        uint32 latest = market.job(id).round;
        uint256 stake = market.stakeOf(id, caller);
        if (stake == 0 || (market.commitmentOf(id, latest, caller) != 0 && !_terminal(id, latest))) return;
        vm.prank(caller);
        market.leaveJob(id, caller);
        paidOut[_token(id)] += stake;
    }

    function nameAggregator(uint256 jobSeed, uint256 who, uint256 which) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        if (market.stakeOf(id, trainer(who % TRAINERS)) == 0) return;
        address aggregator_ = which % 4 == 3 ? address(0) : [aggregator, second, third][which % 3];
        vm.prank(trainer(who % TRAINERS));
        market.nameAggregator(id, aggregator_);
    }

    function commitUpdates(uint256 jobSeed, uint256 mask) external only(_job(jobSeed)) later(jobSeed) {
        _commit(_job(jobSeed), mask);
    }

    function claim(uint256 jobSeed, uint256 numberSeed, uint256 who) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        uint32 latest = market.job(id).round;
        if (latest == 0) return;
        uint32[] memory numbers = new uint32[](1);
        numbers[0] = uint32(numberSeed % latest) + 1;
        address caller = trainer(who % TRAINERS);
        IMarket.Payout memory payout = market.payoutOf(id, numbers[0], caller);
        if (market.phase(id, numbers[0]) != IMarket.Phase.Final || payout.claimed || payout.amount == 0) return;
        vm.prank(caller);
        uint256 amount = market.claim(id, numbers, caller);
        vm.assertEq(amount, payout.amount, "claimed what was paid");
        paidOut[_token(id)] += amount;
    }

    /*//////////////////////////////////////////////////////////////
                                 ROUNDS
    //////////////////////////////////////////////////////////////*/

    function openRound(uint256 jobSeed) external only(_job(jobSeed)) later(jobSeed) {
        _open(_job(jobSeed));
    }

    function settleRound(uint256 jobSeed, uint256 left, uint256 who, uint256 pay) external only(_job(jobSeed)) later(jobSeed) {
        _settle(_job(jobSeed), left, who, pay);
    }

    /// @dev A settlement that leaves a trainer out, and then one that does not.
    function settleAnew(uint256 jobSeed, uint256 left, uint256 who, uint256 pay) external only(_job(jobSeed)) {
        uint256 id = _job(jobSeed);
        for (uint256 i = 0; i < 4 && market.phase(id, market.job(id).round) != IMarket.Phase.Challengeable; ++i) {
            _advance(id, left | 1);
        }
        _settle(id, left, who, pay);
    }

    function releaseBond(uint256 jobSeed, uint256 numberSeed) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        uint32 latest = market.job(id).round;
        if (latest == 0) return;
        uint32 number = uint32(numberSeed % latest) + 1;
        if (market.phase(id, number) != IMarket.Phase.Final || !market.round(id, number).bonded) return;
        market.releaseBond(id, number);
    }

    function advance(uint256 jobSeed, uint256 seed) external only(_job(jobSeed)) {
        _advance(_job(jobSeed), seed);
    }

    function passTime(uint256 jobSeed, uint256 time) external {
        uint256 id = _job(jobSeed);
        IMarket.Round memory r = market.round(id, market.job(id).round);
        uint64[3] memory ends = [r.commitEnd, r.settleEnd, r.challengeEnd];
        uint64 end = ends[time % 3];
        vm.warp(time % 4 == 3 || end <= block.timestamp ? block.timestamp + time % 60 : end - (time >> 8) % 2);
    }

    /*//////////////////////////////////////////////////////////////
                               CHALLENGES
    //////////////////////////////////////////////////////////////*/

    function challengeSettlement(uint256 jobSeed) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        uint32 number = market.job(id).round;
        if (market.phase(id, number) != IMarket.Phase.Challengeable) return;
        IMarket.Round memory r = market.round(id, number);
        uint256 escrow = market.job(id).escrow;
        uint256 paid = payouts(id, number);
        uint256[2] memory had = _balances(id);
        vm.prank(challenger);
        market.challengeSettlement(id, number, EVIDENCE);
        dismissed[id][r.settledBy] = true;
        _slashed(id, had, r.bonded ? market.terms(id).aggregatorBond : 0);
        vm.assertEq(market.job(id).escrow, escrow + paid, "payouts went back to escrow");
        vm.assertEq(payouts(id, number), 0, "no payouts of an overturned round");
    }

    function challengeUpdate(uint256 jobSeed, uint256 index) external only(_job(jobSeed)) later(jobSeed) {
        uint256 id = _job(jobSeed);
        uint32 number = market.job(id).round;
        IMarket.Round memory r = market.round(id, number);
        if (market.phase(id, number) == IMarket.Phase.Open) return _tryToFreeASeat(id, number, index);
        if (_terminal(id, number) || r.commits == 0) return;
        index %= r.commits;
        if ((r.slashed >> index) & 1 != 0) return;
        _challengeUpdate(id, number, index, market.committed(id, number)[index]);
    }

    /*//////////////////////////////////////////////////////////////
                                ACCOUNTS
    //////////////////////////////////////////////////////////////*/

    function deposit(uint256 who, uint256 amount, bool inToken) external only(0) {
        _deposit(inToken ? address(token) : address(0), account(who % ACCOUNTS), 1 + amount % 300);
    }

    function withdraw(uint256 who, uint256 amount, bool inToken) external only(0) {
        address token_ = inToken ? address(token) : address(0);
        address caller = account(who % ACCOUNTS);
        uint256 free = market.balanceOf(token_, caller);
        if (free == 0) return;
        amount = 1 + amount % free;
        vm.prank(caller);
        market.withdraw(token_, amount, caller);
        paidOut[token_] += amount;
    }

    /// @dev Coins and tokens that come to the market outside its functions.
    function force(uint256 amount, bool inToken) external only(0) {
        amount %= 100;
        if (inToken) token.mint(address(market), amount);
        else vm.deal(address(market), address(market).balance + amount);
        forced[inToken ? address(token) : address(0)] += amount;
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// @dev Does what comes next in a job, and lets the time pass to where the next move is possible.
    function _advance(uint256 id, uint256 seed) private {
        uint32 latest = market.job(id).round;
        IMarket.Phase phase = market.phase(id, latest);
        if (phase == IMarket.Phase.Open) {
            _commit(id, seed | 31);
            vm.warp(market.round(id, latest).commitEnd);
        } else if (phase == IMarket.Phase.Settling) {
            _settle(id, seed, seed >> 8, seed >> 16);
        } else if (phase == IMarket.Phase.Challengeable) {
            vm.warp(market.round(id, latest).challengeEnd);
        } else {
            for (uint256 i = 0; i < 6; ++i) {
                _join(id, i, seed >> i);
            }
            _open(id);
        }
    }

    function _backings() private view returns (uint256[] memory all) {
        all = new uint256[](market.jobCount());
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = backing(i + 1);
        }
    }

    function _checkOthers(uint256 id, uint256[] memory before, address other, uint256 free) private view {
        for (uint256 i = 0; i < before.length; ++i) {
            if (i + 1 != id) vm.assertEq(backing(i + 1), before[i], "a move in a job changed another's backing");
        }
        if (id != 0) vm.assertEq(freeBalances(other), free, "a move in a job changed balances of another token");
    }

    /// @dev Odd jobs are paid in coins, even ones in tokens.
    function _newJob(uint256 seed) private {
        IMarket.JobTerms memory t = usualTerms();
        t.token = market.jobCount() % 2 == 0 ? address(0) : address(token);
        t.rounds = uint32(2 + (seed >> 8) % 3);
        t.roundBudget = uint128(700 + (seed >> 16) % 600);
        t.refundVoid = seed % 2 == 0;
        t.byzantine = uint16((seed >> 1) % 2);
        t.minTrainers = t.byzantine * 2 + 3;
        t.maxTrainers = 6; // fewer than there are trainers, so that seats are what bounds commitments
        t.challengerShareBps = uint16((seed >> 24) % 10_001);
        if ((seed >> 2) % 4 == 3) (t.challengeSeconds, t.aggregatorBond) = (0, 0);
        create(t);
        paidIn[t.token] += uint256(t.roundBudget) * t.rounds;
    }

    function _extend(uint256 id, IMarket.JobTerms memory t, uint32 rounds, uint128 budget, uint64 deadline) private {
        if (rounds > MAX_ROUNDS) rounds = t.rounds;
        if (deadline <= block.timestamp) deadline = t.deadline;
        if (rounds == t.rounds && budget == t.roundBudget && deadline == t.deadline) return;
        uint256 used = market.job(id).used;
        IMarket.Round memory r = market.round(id, market.job(id).round);
        bool refundDue = t.refundVoid && !r.refunded && market.phase(id, market.job(id).round) == IMarket.Phase.Void;
        if (refundDue) used += 1;
        uint256 amount = uint256(budget) * (rounds - used) - uint256(t.roundBudget) * (t.rounds - used);
        uint256 value = fund(t.token, owner, amount);
        vm.prank(owner);
        market.extendJob{value: value}(id, rounds, budget, deadline, "");
        paidIn[t.token] += amount;
    }

    function _join(uint256 id, uint256 who, uint256 stake) private {
        IMarket.JobTerms memory t = market.terms(id);
        IMarket.Job memory j = market.job(id);
        if (j.closed || j.joined >= t.maxTrainers || market.stakeOf(id, trainer(who)) != 0) return;
        stake = t.stakeMin + stake % (t.stakeMax - t.stakeMin + 1);
        uint256 value = fund(t.token, trainer(who), stake);
        vm.prank(trainer(who));
        market.joinJob{value: value}(id, stake, "");
        paidIn[t.token] += stake;
    }

    function _open(uint256 id) private {
        IMarket.Job memory j = market.job(id);
        IMarket.JobTerms memory t = market.terms(id);
        if (j.closed || j.joined < t.minTrainers || block.timestamp >= t.deadline || !_terminal(id, j.round)) return;
        bool refundDue =
            t.refundVoid && !market.round(id, j.round).refunded && market.phase(id, j.round) == IMarket.Phase.Void;
        if (j.used + (refundDue ? 1 : 0) == t.rounds || j.round == 2 * MAX_ROUNDS) return;
        vm.assertEq(open(id), j.round + 1, "rounds follow each other");
        budgetOf[id][j.round + 1] = t.roundBudget;
    }

    function _commit(uint256 id, uint256 mask) private {
        uint32 number = market.job(id).round;
        if (market.phase(id, number) != IMarket.Phase.Open) return;
        for (uint256 i = 0; i < TRAINERS; ++i) {
            bool can = market.stakeOf(id, trainer(i)) != 0 && market.commitmentOf(id, number, trainer(i)) == 0;
            if (can && (mask >> i) & 1 != 0) commit(id, number, i);
        }
        vm.assertLe(market.round(id, number).commits, market.terms(id).maxTrainers, "a commitment beyond the seats");
    }

    function _settle(uint256 id, uint256 left, uint256 who, uint256 pay) private {
        uint32 number = market.job(id).round;
        IMarket.Round memory r = market.round(id, number);
        address by = [aggregator, second, third][who % 3];
        uint256 included = _choice(id, number, left, r);
        if (included == 0 || !market.isAggregator(id, by)) return;
        IMarket.JobTerms memory t = market.terms(id);
        if (market.balanceOf(t.token, by) < t.aggregatorBond) _deposit(t.token, by, t.aggregatorBond);
        IMarket.Settlement memory s = settlement(id, number, included);
        uint256 budget = t.roundBudget;
        for (uint256 i = 0; i < s.payouts.length; ++i) {
            s.payouts[i] = uint128((pay >> i) % (budget / s.payouts.length + 1));
        }
        vm.prank(by);
        market.settleRound(id, number, s, PROOF);
    }

    /// @dev Whom a settlement can include now: 0 where none is possible.
    function _choice(uint256 id, uint32 number, uint256 left, IMarket.Round memory r) private view returns (uint256) {
        IMarket.Phase phase = market.phase(id, number);
        IMarket.JobTerms memory t = market.terms(id);
        uint256 all = ((1 << r.commits) - 1) & ~uint256(r.slashed);
        if (!r.settled && _ones(all) < t.minTrainers) return 0;
        if (phase == IMarket.Phase.Challengeable) return all & ~uint256(r.included) == 0 ? 0 : all;
        if (phase != IMarket.Phase.Settling) return 0;
        uint256 one = 1 << (left % r.commits);
        return t.byzantine == 0 || left % 5 == 4 || _ones(all & ~one) + 1 != _ones(all) ? all : all & ~one;
    }

    function _challengeUpdate(uint256 id, uint32 number, uint256 index, address trainer_) private {
        uint256 stake = market.stakeOf(id, trainer_);
        uint256 escrow = market.job(id).escrow;
        uint256 pay = market.payoutOf(id, number, trainer_).amount;
        uint256[2] memory had = _balances(id);
        vm.prank(challenger);
        market.challengeUpdate(id, number, index, EVIDENCE);
        _slashed(id, had, stake);
        vm.assertEq(market.stakeOf(id, trainer_), 0, "the whole stake");
        vm.assertEq(market.job(id).escrow, escrow + pay, "the payout went back to escrow");
    }

    /// @dev Where the market refuses a challenge: with all seats taken, and others who would take one that came free.
    function _tryToFreeASeat(uint256 id, uint32 number, uint256 index) private {
        _commit(id, 255);
        uint256 commits = market.round(id, number).commits;
        if (commits == 0) return;
        vm.prank(challenger);
        try market.challengeUpdate(id, number, index % commits, EVIDENCE) {} catch {}
        for (uint256 i = TRAINERS; i > 0; --i) {
            _join(id, i - 1, i);
        }
        _commit(id, 255);
    }

    function _balances(uint256 id) private view returns (uint256[2] memory) {
        return [market.balanceOf(_token(id), challenger), market.balanceOf(_token(id), owner)];
    }

    /// @dev Of a slash the challenger gets the stated share, rounded down, and the owner the rest.
    function _slashed(uint256 id, uint256[2] memory had, uint256 amount) private view {
        uint256 reward = amount * market.terms(id).challengerShareBps / 10_000;
        vm.assertEq(market.balanceOf(_token(id), challenger), had[0] + reward, "the challenger's share");
        vm.assertEq(market.balanceOf(_token(id), owner), had[1] + amount - reward, "the owner's share");
    }

    function _deposit(address token_, address by, uint256 amount) private {
        uint256 value = fund(token_, by, amount);
        vm.prank(by);
        market.deposit{value: value}(token_, amount, "");
        paidIn[token_] += amount;
    }

    function _job(uint256 seed) private view returns (uint256) {
        return 1 + seed % market.jobCount();
    }

    function _token(uint256 id) private view returns (address) {
        return market.terms(id).token;
    }

    function _terminal(uint256 id, uint32 number) private view returns (bool) {
        IMarket.Phase phase = market.phase(id, number);
        return phase == IMarket.Phase.None || phase == IMarket.Phase.Final || phase == IMarket.Phase.Void;
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
