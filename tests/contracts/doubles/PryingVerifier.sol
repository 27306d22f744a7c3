// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Reads the market back while it verifies, and demands that nothing of the outcome shows yet.
contract PryingVerifier is IProofVerifier {
    error Prying_HalfWritten(uint256 jobId, uint32 round);

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata statement, bytes calldata) external view {
        GramStatement calldata s = statement.gram;
        IMarket market = IMarket(s.market);
        IMarket.Job memory job = market.job(s.jobId);
        bool clean = market.phase(s.jobId, s.round) == IMarket.Phase.Settling && !market.round(s.jobId, s.round).settled
            && job.used + 1 == s.round && job.round == s.round && !market.round(s.jobId, s.round).bonded;
        for (uint256 i = 0; i < s.trainers.length; ++i) {
            clean = clean && market.payoutOf(s.jobId, s.round, s.trainers[i]).amount == 0
                && market.stakeOf(s.jobId, s.trainers[i]) == s.stakes[i];
        }
        if (!clean) revert Prying_HalfWritten(s.jobId, s.round);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata c, bytes calldata) external view {
        IMarket market = IMarket(c.market);
        IMarket.Job memory job = market.job(c.jobId);
        IMarket.Round memory round = market.round(c.jobId, c.round);
        address[] memory trainers = market.committed(c.jobId, c.round);
        bool clean = market.phase(c.jobId, c.round) == IMarket.Phase.Challengeable && !round.overturned
            && job.used == c.round && round.bonded && market.isAggregator(c.jobId, round.settledBy)
            && market.balanceOf(market.terms(c.jobId).token, job.owner) == 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < trainers.length; ++i) {
            paid += market.payoutOf(c.jobId, c.round, trainers[i]).amount;
        }
        if (!clean || paid == 0) revert Prying_HalfWritten(c.jobId, c.round);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }
}
