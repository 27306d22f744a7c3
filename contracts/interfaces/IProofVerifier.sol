// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The hook through which a job's settlements are verified.
/// @notice A job names one verifier and can never change it. The market trusts a verifier with the split of that job's
/// round budget and with the aggregator's bond, and with nothing else: whatever a verifier accepts, the market pays at
/// most one round budget per round, and only to trainers who committed. Verifiers hold no funds and keep no state.
interface IProofVerifier {
    /// @notice An affine point of the BN254 curve's G1 (EIP-196); (0, 0) stands for the point at infinity.
    struct Point {
        uint256 x;
        uint256 y;
    }

    /// @notice What the Gram argument binds: the round, the job's terms, the commitments of all rows, and their products.
    /// @dev Rows, in this order: the n updates, then those of the extra rows that are there: the owner's reference, the
    /// aggregate of the latest settled round, and the running sums of the n updates' trainers.
    /// @param chainId Chain on which the market lives.
    /// @param market The market that asks.
    /// @param jobId Job of the round.
    /// @param round Number of the round, from 1.
    /// @param aggregator Who settles: a proof serves nobody else.
    /// @param rule Rule id, a left-aligned ASCII string ("multi-krum", "mean").
    /// @param score Score id, likewise ("shapley").
    /// @param byzantine f: number of Byzantine trainers that the job tolerates.
    /// @param dimension d: entries of an update.
    /// @param bits b: |entry| < 2^(b-1).
    /// @param headroomBits h of the scale rule, see docs/protocol.md.
    /// @param scaleExponent e: an entry q of this round stands for q * 2^e.
    /// @param budget Round budget, in wei or token units.
    /// @param floorBps Share of the budget, in 1/10000, that is split without the reference.
    /// @param capBps The most that one trainer gets, in 1/10000 of its stake's share of the budget; 0 for no cap.
    /// @param hasReference Whether the reference row is there.
    /// @param previous Whether the previous aggregate is there.
    /// @param history Whether the running sums are there.
    /// @param trainers n included trainers, in the order of their commitments.
    /// @param stakes Their stakes.
    /// @param commitments Commitments of all rows; extra rows may be infinity.
    /// @param gram Inner products of all rows, as GramMatrix unpacks them.
    struct GramStatement {
        uint256 chainId;
        address market;
        uint256 jobId;
        uint32 round;
        address aggregator;
        bytes32 rule;
        bytes32 score;
        uint16 byzantine;
        uint64 dimension;
        uint8 bits;
        uint8 headroomBits;
        int16 scaleExponent;
        uint128 budget;
        uint16 floorBps;
        uint16 capBps;
        bool hasReference;
        bool previous;
        bool history;
        address[] trainers;
        uint128[] stakes;
        Point[] commitments;
        bytes gram;
    }

    /// @notice What spares the verifier a computation; it changes no outcome.
    /// @param carried What the job remembers of earlier rounds: the bytes behind memoryDigest, see docs/protocol.md.
    /// @param ruleHints Hints of the rule.
    /// @param scoreHints Hints of the score.
    /// @param floorHints Hints of the score that splits the floor.
    struct Witness {
        bytes carried;
        bytes ruleHints;
        bytes scoreHints;
        bytes floorHints;
    }

    /// @notice Everything a settlement claims about one round.
    /// @param gram The round, its rows and their inner products.
    /// @param weights w: integer weights, in units of 2^-32.
    /// @param scores Contribution scores.
    /// @param payouts Split of the budget; the sum may be less.
    /// @param aggregateCommitment Commitment to sum w_i u_i: the compressed point sum w_i C_i.
    /// @param nextScaleExponent Scale exponent of the following round.
    /// @param referenceExpected Whether the job has a reference; where its row is missing all the same, it was unusable.
    /// @param memoryDigest Keccak-256 of what the job remembers of earlier rounds; 0 where that is nothing.
    /// @param nextMemoryDigest The same for the following round.
    struct Statement {
        GramStatement gram;
        uint64[] weights;
        int256[] scores;
        uint128[] payouts;
        bytes32 aggregateCommitment;
        int16 nextScaleExponent;
        bool referenceExpected;
        bytes32 memoryDigest;
        bytes32 nextMemoryDigest;
        Witness witness;
    }

    /// @notice What a settled round has on record about its aggregate A = sum w_i u_i.
    /// @param chainId Chain on which the market lives.
    /// @param market The market that asks.
    /// @param jobId Job of the round.
    /// @param round Number of the round, from 1.
    /// @param dimension d: entries of the aggregate.
    /// @param bits b: |entry of an update| < 2^(b-1).
    /// @param weightSum Sum of the weights: |entry of the aggregate| <= weightSum * (2^(b-1) - 1).
    /// @param aggregateCommitment Compressed commitment to the aggregate.
    /// @param aggregateRoot Merkle root of the published aggregate file.
    struct AggregateClaim {
        uint256 chainId;
        address market;
        uint256 jobId;
        uint32 round;
        uint64 dimension;
        uint8 bits;
        uint64 weightSum;
        bytes32 aggregateCommitment;
        bytes32 aggregateRoot;
    }

    /// @notice Returns when the statement holds; reverts otherwise. There is no boolean that a caller could ignore.
    function verify(Statement calldata statement, bytes calldata proof) external view;

    /// @notice Returns when the evidence proves that a recorded aggregate is false; reverts otherwise.
    /// @param evidence An encoding of the verifier's own; see AggregateFault.Evidence.
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external view;

    /// @notice Whether jobs with this rule, score and dimension, with a reference or without, and with at most so many
    /// trainers, can be settled through this verifier.
    function supportsJob(bytes32 rule, bytes32 score, uint64 dimension, bool hasReference, uint16 maxTrainers)
        external
        view
        returns (bool);
}
