// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Scene} from "./Scene.sol";

/// @title What the market has to tell a verifier, put together from its views and from what was settled.
abstract contract Statements is Scene {
    function statementOf(uint256 id, uint32 number, IMarket.Settlement memory s, address by)
        internal
        view
        returns (IProofVerifier.Statement memory q)
    {
        _fill(q.gram, id, number);
        q.gram.aggregator = by;
        q.gram.hasReference = s.included & REFERENCE_BIT != 0;
        q.gram.history = s.history.length != 0;
        q.gram.gram = s.gram;
        _addTrainers(q.gram, id, number, s.included);
        _addRows(q.gram, number, market.round(id, number).previousSettled, s.history);
        (q.weights, q.scores, q.payouts) = (s.weights, s.scores, s.payouts);
        q.aggregateCommitment = s.aggregateCommitment;
        q.nextScaleExponent = s.nextScaleExponent;
        q.referenceExpected = market.terms(id).hasReference;
        q.memoryDigest = market.round(id, number).memoryDigest;
        q.nextMemoryDigest = s.nextMemoryDigest;
        q.witness = s.witness;
    }

    function _fill(IProofVerifier.GramStatement memory g, uint256 id, uint32 number) private view {
        IMarket.JobTerms memory t = market.terms(id);
        (g.chainId, g.market, g.jobId, g.round) = (block.chainid, address(market), id, number);
        (g.rule, g.score, g.byzantine, g.dimension) = (t.rule, t.score, t.byzantine, t.dimension);
        (g.bits, g.headroomBits, g.budget) = (t.bits, t.headroomBits, t.roundBudget);
        (g.floorBps, g.capBps) = (t.floorBps, t.capBps);
        g.scaleExponent = market.round(id, number).scaleExponent;
    }

    function _addTrainers(IProofVerifier.GramStatement memory g, uint256 id, uint32 number, uint256 included)
        private
        view
    {
        address[] memory all = market.committed(id, number);
        uint256 count = 0;
        (g.trainers, g.stakes) = (new address[](all.length), new uint128[](all.length));
        for (uint256 i = 0; i < all.length; ++i) {
            if ((included >> i) & 1 == 0) continue;
            (g.trainers[count], g.stakes[count]) = (all[i], uint128(market.stakeOf(id, all[i])));
            ++count;
        }
        (address[] memory trainers, uint128[] memory stakes) = (g.trainers, g.stakes);
        assembly ("memory-safe") {
            mstore(trainers, count)
            mstore(stakes, count)
        }
    }

    function _addRows(
        IProofVerifier.GramStatement memory g,
        uint32 number,
        uint32 previous,
        IProofVerifier.Point[] memory history
    ) private view {
        g.previous = previous != 0;
        uint256 n = g.trainers.length;
        uint256 total = n + (g.hasReference ? 1 : 0) + (g.previous ? 1 : 0);
        g.commitments = new IProofVerifier.Point[](total + history.length);
        for (uint256 i = 0; i < n; ++i) {
            g.commitments[i] = update(number, uint160(g.trainers[i]) - 0x6000);
        }
        if (g.hasReference) g.commitments[n] = referenceOf(number);
        if (g.previous) g.commitments[total - 1] = aggregateOf(previous);
        for (uint256 i = 0; i < history.length; ++i) {
            g.commitments[total + i] = history[i];
        }
    }
}
