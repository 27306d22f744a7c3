// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Books} from "../support/Books.sol";
import {Handler} from "../support/Handler.sol";
import {Token} from "../support/Token.sol";

/// @title What holds after every move of anybody, in two or three jobs at once; numbers are those of docs/invariants.md.
contract InvariantsTest is Books {
    Handler internal handler;
    mapping(uint256 id => mapping(uint32 number => bytes32)) private _over;

    function setUp() external {
        handler = new Handler();
        market = handler.theMarket();
        token = Token(handler.theToken());
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev 1, 2: what the market holds is what it owes and what was forced on it; what came in went out or is owed.
    function invariant_01_02_money() external view {
        _money(address(0));
        _money(address(token));
    }

    /// @dev 4, 12: a job's rounds, escrow and counts.
    function invariant_04_12_jobs() external {
        for (uint256 id = 1; id <= market.jobCount(); ++id) {
            _escrow(id);
            _counts(id);
            _aggregators(id);
            for (uint32 number = 1; number <= market.job(id).round; ++number) {
                _round(id, number);
            }
        }
    }

    function _money(address token_) private view {
        uint256 owed = freeBalances(token_);
        for (uint256 id = 1; id <= market.jobCount(); ++id) {
            if (market.terms(id).token == token_) owed += backing(id);
        }
        vm.assertEq(holding(token_, address(market)), owed + handler.forced(token_), "holds what it owes");
        vm.assertEq(handler.paidIn(token_), handler.paidOut(token_) + owed, "in = out + owed");
    }

    function _escrow(uint256 id) private view {
        IMarket.JobTerms memory t = market.terms(id);
        IMarket.Job memory j = market.job(id);
        if (j.closed) vm.assertEq(j.escrow, 0, "nothing in escrow of a closed job");
        else vm.assertGe(j.escrow, uint256(t.roundBudget) * (t.rounds - j.used), "escrow covers the rounds to come");
    }

    function _counts(uint256 id) private view {
        IMarket.Job memory j = market.job(id);
        uint256 joined = 0;
        for (uint256 i = 0; i < TRAINERS; ++i) {
            if (market.stakeOf(id, trainer(i)) != 0) ++joined;
        }
        vm.assertEq(j.joined, joined, "joined");
        uint256 used = 0;
        for (uint32 number = 1; number <= j.round; ++number) {
            IMarket.Round memory r = market.round(id, number);
            if ((r.settled && !r.overturned) || r.refunded) ++used;
        }
        vm.assertEq(j.used, used, "used");
    }

    /// @dev Who is named by the owner or by a trainer in the job, and was not slashed, is an aggregator; nobody else.
    function _aggregators(uint256 id) private view {
        address[3] memory all = [aggregator, second, third];
        for (uint256 k = 0; k < 3; ++k) {
            bool isNamed = k < 2;
            for (uint256 i = 0; i < TRAINERS; ++i) {
                if (market.namedBy(id, trainer(i)) != all[k]) continue;
                isNamed = true;
                vm.assertTrue(market.stakeOf(id, trainer(i)) != 0, "who left names nobody");
            }
            bool expected = isNamed && !handler.dismissed(id, all[k]);
            vm.assertEq(market.isAggregator(id, all[k]), expected, "aggregator");
        }
    }

    /// @dev A round pays no more than its budget; once it is over, nothing of it changes but what is claimed or released.
    function _round(uint256 id, uint32 number) private {
        IMarket.Round memory r = market.round(id, number);
        IMarket.Phase phase = market.phase(id, number);
        vm.assertLe(payouts(id, number), handler.budgetOf(id, number), "budget of the round");
        vm.assertEq(r.commits, market.committed(id, number).length, "commits");
        vm.assertLe(r.commits, market.terms(id).maxTrainers, "no more commitments than seats");
        if (number < market.job(id).round) {
            vm.assertTrue(phase == IMarket.Phase.Final || phase == IMarket.Phase.Void, "one live round");
        }
        if (phase != IMarket.Phase.Final && phase != IMarket.Phase.Void) {
            vm.assertEq(_over[id][number], 0, "a round that was over came back");
            return;
        }
        if (r.bonded) vm.assertTrue(phase == IMarket.Phase.Final, "no bond behind a void round");
        (r.bonded, r.refunded) = (false, false);
        bytes32 digest = keccak256(abi.encode(r, phase, payouts(id, number)));
        if (_over[id][number] == 0) _over[id][number] = digest;
        vm.assertEq(_over[id][number], digest, "a round that was over changed");
    }
}
