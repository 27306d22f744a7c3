// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./IProofVerifier.sol";

/// @title A market for updates: owners escrow rewards, trainers stake and commit updates, aggregators settle rounds.
///
/// @notice Trust assumptions, stated where they matter:
/// - An owner picks the verifier of a job and aggregators who may settle it; both are fixed for the job. Each trainer may
///   name one aggregator more. Who joins a job or settles in it accepts its verifier.
/// - A job's verifier decides how that job's round budget is split among the trainers who committed, and whether a
///   recorded aggregate is false or a committed update out of range. One that its owner rigged can therefore call a true
///   settlement false, within its challenge window, and an update out of range, until its round is final: the trainers
///   lose the pay of that round and their stakes, and the aggregator who settled it loses the bond behind that settlement
///   and its place in that job. It cannot touch pay that is final, stakes of trainers who did not commit to the live
///   round, other bonds, free balances or other jobs. Join, and settle, only where you know the verifier's code.
/// - The first valid challenge is rewarded. Evidence can be read and copied before it is mined, also by who is at fault:
///   what a fault costs for certain is the owner's part, 1 - challengerShareBps / 10000.
/// - A token is trusted by those who use it only. Tokens that deliver less than asked (fees, rebasing) are refused.
/// - Nobody administers the market: it has no owner, no pause, no upgrade. Its forwarder, fixed when it is deployed, may
///   speak for whoever signed the call (ERC-2771): it is part of the market, and has no administrator either.
///
/// Chain time decides phases; a second that is a boundary belongs to the later phase:
///
///   Open        opened  <= t < commitEnd                 trainers commit
///   Settling    commitEnd <= t < settleEnd, unsettled    an aggregator settles
///   Challengeable  settled, t < challengeEnd             payouts wait; anybody may prove the aggregate false, and an
///                                                        aggregator may settle anew with more of the trainers
///   Final       settled, challengeEnd <= t               payouts can be claimed, for ever
///   Void        unsettled, settleEnd <= t; or overturned nothing is paid; the budget rolls on, or returns to the owner
///
/// Final and Void absorb. No transaction is needed to advance a phase.
interface IMarket {
    enum Phase {
        None,
        Open,
        Settling,
        Challengeable,
        Final,
        Void
    }

    /// @notice What a job promises; fixed when the job is created, but for what extendJob and stopJob say.
    /// @param token Reward and stake token; the zero address is the native coin.
    /// @param verifier Verifies settlements; immutable for the job.
    /// @param roundBudget Paid out at most in each settled round.
    /// @param rounds Number of rounds to settle.
    /// @param stakeMin Smallest stake of a trainer.
    /// @param stakeMax Largest stake of a trainer: the cap on its weight.
    /// @param aggregatorBond What an aggregator's free balance is charged when it settles, until the round is final; 0 asks
    /// for none. Needs a challenge window.
    /// @param challengerShareBps Share of a slashed bond or stake, in 1/10000, for the challenger; the owner gets the rest.
    /// @param minTrainers A round opens with at least so many joined, and settles with at least so many committed.
    /// @param maxTrainers At most so many join; at most 64.
    /// @param byzantine f: trainers that may be Byzantine; minTrainers >= 2f + 3.
    /// @param dimension d: entries of an update.
    /// @param bits b: bits of an entry, 4..16.
    /// @param headroomBits h: the scale rule aims at an RMS of 2^(b-1-h); at most b - 3.
    /// @param scaleExponent e of round 1: an entry q stands for q * 2^e.
    /// @param commitSeconds Length of the Open phase.
    /// @param settleSeconds Length of the Settling phase.
    /// @param challengeSeconds Length of the challenge window after a settlement.
    /// @param deadline No round opens at or after this chain time.
    /// @param refundVoid Whether a void round is used up, and its budget the owner's; else it stays in escrow and the round
    /// is repeated.
    /// @param rule Rule id.
    /// @param score Score id.
    /// @param hasReference Whether the owner commits a reference row for each round before it opens.
    /// @param floorBps Share of the round budget, in 1/10000, that is split without the reference.
    /// @param capBps The most that one trainer gets in a round, in 1/10000 of its stake's share of the round budget; from
    /// 10000 on, or 0 for no cap.
    struct JobTerms {
        address token;
        IProofVerifier verifier;
        uint128 roundBudget;
        uint32 rounds;
        uint128 stakeMin;
        uint128 stakeMax;
        uint128 aggregatorBond;
        uint16 challengerShareBps;
        uint16 minTrainers;
        uint16 maxTrainers;
        uint16 byzantine;
        uint64 dimension;
        uint8 bits;
        uint8 headroomBits;
        int16 scaleExponent;
        uint32 commitSeconds;
        uint32 settleSeconds;
        uint32 challengeSeconds;
        uint64 deadline;
        bool refundVoid;
        bytes32 rule;
        bytes32 score;
        bool hasReference;
        uint16 floorBps;
        uint16 capBps;
    }

    /// @notice A job's accounts.
    /// @param joined Trainers with a stake in the job.
    /// @param round Number of the latest round; 0 before the first.
    /// @param used Rounds used up: settled and not overturned, and void ones whose budget was returned.
    /// @param escrow Not yet earned: budgets of rounds that are not used up, and what settled rounds left over.
    struct Job {
        address owner;
        bool closed;
        uint16 joined;
        uint32 round;
        uint32 used;
        uint256 escrow;
    }

    /// @notice A round's state. What a settlement recorded stays there when it is overturned.
    /// @param commits Updates committed.
    /// @param settled Whether it was settled; challengeEnd, nextScaleExponent and the fields below count from then on.
    /// @param overturned Whether the recorded aggregate was proven false: the round is void.
    /// @param included Bit i set: the i-th commitment is part of the settlement; referenceIncluded: the reference is.
    /// @param slashed Bit i set: the i-th commitment was proven out of range.
    /// @param bonded Whether the settlement's bond is still held.
    /// @param refunded Whether the void round's budget was returned.
    /// @param aggregateCommitment, aggregateRoot See Settlement.
    /// @param settledBy The aggregator who settled it.
    /// @param weightSum Sum of the weights: bounds the entries of the aggregate.
    /// @param previousSettled Latest round before that was settled and not overturned; 0 for none.
    /// @param referenceCommitment The owner's reference row, compressed; 0 where there is none.
    /// @param memoryDigest What the job remembered when the round opened; nextMemoryDigest what it does after.
    struct Round {
        uint64 commitEnd;
        uint64 settleEnd;
        uint64 challengeEnd;
        int16 scaleExponent;
        int16 nextScaleExponent;
        uint16 commits;
        bool settled;
        bool overturned;
        bytes32 aggregateCommitment;
        bytes32 aggregateRoot;
        address settledBy;
        uint64 weightSum;
        uint32 previousSettled;
        bytes32 referenceCommitment;
        bytes32 memoryDigest;
        bytes32 nextMemoryDigest;
        uint64 included;
        uint64 slashed;
        bool referenceIncluded;
        bool bonded;
        bool refunded;
    }

    /// @notice A trainer's share of a settled round.
    struct Payout {
        uint128 amount;
        bool claimed;
    }

    /// @notice What an aggregator posts for a round.
    /// @param included Bit i set: the round's i-th commitment is part of the aggregate. Bit 255 set: the reference row is
    /// part of the matrix; in a job with a reference it is left out only where it is unusable.
    /// @param commitmentYs The y coordinates of the included commitments, in order, then of the reference and of the
    /// previous aggregate's commitment where those are rows: the market keeps only x and a sign.
    /// @param history Commitments of the running sums where those are rows, else empty; the verifier knows what they are.
    /// @param gram, weights, scores, payouts, nextScaleExponent, nextMemoryDigest, aggregateCommitment, witness
    /// See IProofVerifier.Statement.
    /// @param aggregateRoot Merkle root of the published aggregate's entries, see docs/protocol.md.
    /// @param aggregateCid CID of the published aggregate; aggregateBytes its size.
    struct Settlement {
        uint256 included;
        uint256[] commitmentYs;
        IProofVerifier.Point[] history;
        bytes gram;
        uint64[] weights;
        int256[] scores;
        uint128[] payouts;
        int16 nextScaleExponent;
        bytes32 nextMemoryDigest;
        bytes32 aggregateCommitment;
        bytes32 aggregateRoot;
        bytes aggregateCid;
        uint64 aggregateBytes;
        IProofVerifier.Witness witness;
    }

    /// @notice What a settlement says beside its statement. See Settlement.
    struct Published {
        uint256 included;
        bytes32 aggregateRoot;
        bytes aggregateCid;
        uint64 aggregateBytes;
    }

    event JobCreated(
        uint256 indexed jobId, address indexed owner, JobTerms terms, address[] aggregators, bytes manifestCid
    );
    event TrainerJoined(uint256 indexed jobId, address indexed trainer, uint256 stake);
    event TrainerLeft(uint256 indexed jobId, address indexed trainer, uint256 stake, address recipient);
    event ReferenceCommitted(
        uint256 indexed jobId, uint32 indexed round, bytes32 commitment, bytes cid, uint64 payloadBytes
    );
    event RoundOpened(
        uint256 indexed jobId, uint32 indexed round, int16 scaleExponent, uint64 commitEnd, uint64 settleEnd
    );
    event UpdateCommitted(
        uint256 indexed jobId,
        uint32 indexed round,
        address indexed trainer,
        uint256 index,
        bytes32 commitment,
        bytes cid,
        uint64 payloadBytes
    );
    /// @notice All that was verified, with its proof: who replays it needs nothing else.
    event RoundSettled(
        uint256 indexed jobId,
        uint32 indexed round,
        address indexed aggregator,
        IProofVerifier.Statement statement,
        Published published,
        bytes proof,
        uint256 paid,
        uint64 challengeEnd
    );
    /// @notice A settlement with more of the trainers takes this one's place; RoundSettled follows.
    event SettlementReplaced(uint256 indexed jobId, uint32 indexed round, address indexed aggregator, uint256 returned);
    /// @param bond What the aggregator lost: `reward` of it to the challenger, the rest to the owner.
    /// @param returned Payouts of the round that went back to escrow.
    event SettlementOverturned(
        uint256 indexed jobId,
        uint32 indexed round,
        address indexed challenger,
        address aggregator,
        uint256 bond,
        uint256 reward,
        uint256 returned
    );
    /// @param stake What the trainer lost: `reward` of it to the challenger, the rest to the owner.
    /// @param returned The payout in this round, which went back to escrow.
    event TrainerSlashed(
        uint256 indexed jobId,
        uint32 indexed round,
        address indexed challenger,
        address trainer,
        uint256 stake,
        uint256 reward,
        uint256 returned
    );
    event BondReleased(uint256 indexed jobId, uint32 indexed round, address indexed aggregator, uint256 bond);
    /// @notice A void round of a job that does not repeat them: its budget is the owner's.
    event RoundRefunded(uint256 indexed jobId, uint32 indexed round, uint256 amount);
    event PayoutClaimed(
        uint256 indexed jobId, uint32 indexed round, address indexed trainer, uint256 amount, address recipient
    );
    event JobClosed(uint256 indexed jobId, uint256 refund);
    /// @param deposit What the owner paid for it.
    event JobExtended(uint256 indexed jobId, uint32 rounds, uint128 roundBudget, uint64 deadline, uint256 deposit);
    event JobStopped(uint256 indexed jobId, uint64 deadline);
    /// @param aggregator The zero address: the trainer names nobody any more.
    event AggregatorNamed(uint256 indexed jobId, address indexed trainer, address indexed aggregator);
    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, uint256 amount, address recipient);
    event KeyPublished(address indexed account, bytes32 key);

    error Market_UnknownJob(uint256 jobId);
    error Market_InvalidTerms(bytes32 field);
    error Market_NotOwner(uint256 jobId, address caller);
    error Market_NotAggregator(uint256 jobId, address caller);
    error Market_NotTrainer(uint256 jobId, address caller);
    error Market_AlreadyJoined(uint256 jobId, address trainer);
    error Market_JobFull(uint256 jobId, uint256 maxTrainers);
    error Market_JobClosed(uint256 jobId);
    error Market_JobRunning(uint256 jobId);
    error Market_NothingToExtend(uint256 jobId);
    error Market_StakeOutOfRange(uint256 stake, uint256 stakeMin, uint256 stakeMax);
    error Market_StakeLocked(uint256 jobId, uint32 round);
    error Market_WrongPhase(uint256 jobId, uint32 round, Phase phase);
    error Market_TooFewTrainers(uint256 trainers, uint256 minTrainers);
    error Market_DeadlinePassed(uint256 deadline);
    error Market_AllRoundsUsed(uint256 jobId);
    error Market_AlreadyCommitted(uint256 jobId, uint32 round, address trainer);
    error Market_DuplicateCommitment(uint256 jobId, uint32 round, bytes32 commitment);
    error Market_InvalidCommitment(uint256 x, uint256 y);
    error Market_WrongCommitment(uint256 index);
    error Market_NoReferenceAsked(uint256 jobId);
    error Market_NoReference(uint256 jobId, uint32 round);
    error Market_UnknownTrainers(uint256 included, uint256 committed);
    error Market_TooManyExcluded(uint256 excluded, uint256 byzantine);
    error Market_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Market_BudgetExceeded(uint256 payouts, uint256 roundBudget);
    error Market_NothingToClaim(uint256 jobId, uint32 round, address trainer);
    error Market_AlreadyClaimed(uint256 jobId, uint32 round, address trainer);
    error Market_InsufficientBalance(address token, address account, uint256 amount);
    error Market_NotBonded(uint256 jobId, uint32 round);
    error Market_NotSuperset(uint256 jobId, uint32 round, uint256 included);
    error Market_SlashedTrainers(uint256 jobId, uint32 round, uint256 slashed);
    error Market_ZeroRecipient();
    error Market_ZeroAmount();

    /// @notice Opens a job and takes its whole escrow, roundBudget * rounds, at once.
    /// @param aggregators Addresses that may settle rounds of this job; 1 to 8, none of them zero.
    /// @param manifestCid CID of the task manifest.
    /// @param permit Empty, or the caller's approval of the token by EIP-2612: abi.encode(deadline, v, r, s); so everywhere.
    function createJob(
        JobTerms calldata jobTerms,
        address[] calldata aggregators,
        bytes calldata manifestCid,
        bytes calldata permit
    ) external payable returns (uint256 jobId);

    /// @notice Adds rounds, raises the budget of those to come, puts the deadline off; its owner alone may, and between
    /// rounds. What is not to change is passed as it is; nothing becomes less.
    function extendJob(uint256 jobId, uint32 rounds, uint128 roundBudget, uint64 deadline, bytes calldata permit)
        external
        payable;

    /// @notice Ends a job early: no further round opens. A live round takes its course, with its pay. Its owner alone may.
    function stopJob(uint256 jobId) external;

    /// @notice Ends a job between rounds; what is left of the escrow becomes the owner's free balance. Its owner may at any
    /// such time, everybody else once all rounds are used up or the deadline has passed.
    function closeJob(uint256 jobId) external;

    /// @notice Commits the reference row of the round that opens next, in a job that has a reference; its owner alone
    /// may. The round cannot open without it; until it opens, a later one takes its place.
    /// @param commitment A point of the curve other than infinity; its compressed form is recorded.
    /// @param cid CID of the payload; payloadBytes its exact size.
    function commitReference(
        uint256 jobId,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external;

    /// @notice Joins a job as a trainer with a stake between stakeMin and stakeMax.
    function joinJob(uint256 jobId, uint256 stake, bytes calldata permit) external payable;

    /// @notice Takes the whole stake back. Refused while a round that holds the trainer's commitment is not terminal.
    function leaveJob(uint256 jobId, address recipient) external;

    /// @notice Names one aggregator more who may settle the job, as long as the trainer is in it; the zero address names
    /// nobody any more. In a job with a reference it has to include the reference.
    function nameAggregator(uint256 jobId, address aggregator) external;

    /// @notice Commits the caller's update for the open round.
    /// @param commitment A point of the curve other than infinity, see docs/protocol.md; its compressed form is recorded.
    /// @param cid CID of the payload; payloadBytes its exact size.
    function commitUpdate(
        uint256 jobId,
        uint32 number,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external;

    /// @notice Pays the caller's payouts of final rounds, each at most once, for ever.
    function claim(uint256 jobId, uint32[] calldata rounds, address recipient) external returns (uint256 amount);

    /// @notice Opens the next round; anybody may call it once the previous round is terminal.
    function openRound(uint256 jobId) external returns (uint32 number);

    /// @notice Settles a round in its Settling phase, by one of the job's aggregators whose free balance covers the bond.
    /// In the challenge window the same replaces the settlement on record, if it includes all that this one does, and
    /// more; the window then begins anew. At most f of the trainers can be left out, so it can at most f + 1 times.
    function settleRound(uint256 jobId, uint32 number, Settlement calldata settlement, bytes calldata proof) external;

    /// @notice Returns the bond behind a settlement to its aggregator's free balance once its round is final; anybody may.
    /// Opening the next round and closing the job do so too.
    function releaseBond(uint256 jobId, uint32 number) external;

    /// @notice Overturns a settlement in its challenge window by evidence that its aggregate is false; anybody may.
    /// The round is void and its payouts go back to escrow; the aggregator loses the settlement's bond and its place in
    /// the job.
    function challengeSettlement(uint256 jobId, uint32 number, bytes calldata evidence) external;

    /// @notice Slashes a trainer by evidence that the update it committed is out of range, once nobody can commit any more
    /// and until its round is over; anybody may. The trainer loses its stake, its place in the job and its pay in this
    /// round; the settlement stands.
    /// @param index Of the commitment.
    function challengeUpdate(uint256 jobId, uint32 number, uint256 index, bytes calldata evidence) external;

    /// @notice Adds to the caller's free balance, which bonds are taken from.
    function deposit(address token, uint256 amount, bytes calldata permit) external payable;

    /// @notice Pays from the caller's free balance: deposits, released bonds, rewards for challenges, what jobs returned.
    function withdraw(address token, uint256 amount, address recipient) external;

    /// @notice Publishes the key to which payloads for the caller are encrypted; the zero key withdraws it.
    function publishKey(bytes32 key) external;

    function jobCount() external view returns (uint256);
    function terms(uint256 jobId) external view returns (JobTerms memory);
    function job(uint256 jobId) external view returns (Job memory);
    function round(uint256 jobId, uint32 number) external view returns (Round memory);
    function phase(uint256 jobId, uint32 number) external view returns (Phase);
    function committed(uint256 jobId, uint32 number) external view returns (address[] memory);
    function commitmentOf(uint256 jobId, uint32 number, address trainer) external view returns (bytes32);
    function stakeOf(uint256 jobId, address trainer) external view returns (uint256);
    function payoutOf(uint256 jobId, uint32 number, address trainer) external view returns (Payout memory);
    function isAggregator(uint256 jobId, address account) external view returns (bool);
    function namedBy(uint256 jobId, address trainer) external view returns (address);
    function balanceOf(address token, address account) external view returns (uint256);
    function encryptionKeyOf(address account) external view returns (bytes32);
}
