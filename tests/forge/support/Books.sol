// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "./Scene.sol";

/// @title What the market owes, added up from its views.
abstract contract Books is Scene {
    uint256 internal constant ACCOUNTS = TRAINERS + 5;

    /// @dev Everybody who can come to have something in the market.
    function account(uint256 i) internal view returns (address) {
        if (i < TRAINERS) return trainer(i);
        return [owner, aggregator, second, third, challenger][i - TRAINERS];
    }

    function freeBalances(address token_) internal view returns (uint256 sum) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            sum += market.balanceOf(token_, account(i));
        }
    }

    /// @dev What a job is backed with: its escrow, stakes, bonds that are held and payouts not yet claimed.
    function backing(uint256 id) internal view returns (uint256 sum) {
        IMarket.Job memory j = market.job(id);
        uint256 bond = market.terms(id).aggregatorBond;
        sum = j.escrow;
        for (uint256 i = 0; i < TRAINERS; ++i) {
            sum += market.stakeOf(id, trainer(i));
        }
        for (uint32 number = 1; number <= j.round; ++number) {
            if (market.round(id, number).bonded) sum += bond;
            sum += unclaimed(id, number);
        }
    }

    function unclaimed(uint256 id, uint32 number) internal view returns (uint256 sum) {
        address[] memory trainers = market.committed(id, number);
        for (uint256 i = 0; i < trainers.length; ++i) {
            IMarket.Payout memory payout = market.payoutOf(id, number, trainers[i]);
            if (!payout.claimed) sum += payout.amount;
        }
    }

    function payouts(uint256 id, uint32 number) internal view returns (uint256 sum) {
        address[] memory trainers = market.committed(id, number);
        for (uint256 i = 0; i < trainers.length; ++i) {
            sum += market.payoutOf(id, number, trainers[i]).amount;
        }
    }
}
