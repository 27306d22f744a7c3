/** Why a call was refused, in words: the market's errors, tokens' errors, wallets' and nodes'. */
import { decodeErrorResult, hexToString, type Abi } from 'viem'
import { formatAbsolute } from '../format/time'
import { MARKET_ERRORS } from './abi'
import { type Hex, hasCode, messageOf, PENDING_REQUEST, REJECTED, revertData, RpcError, UNAUTHORIZED } from './eip1193'

export interface Refusal {
  /** Who refused: only what the market says is final while nothing changes. */
  by: 'market' | 'token' | 'user' | 'wallet' | 'chain'
  /** The error's name in the ABI, where it has one. */
  name: string | null
  text: string
}

type Args = readonly unknown[]
const n = (value: unknown): string => String(value)

const FIELDS: Record<string, string> = {
  token: 'there is no contract at the token’s address',
  verifier: 'there is no contract at the verifier’s address',
  rule: 'the verifier does not check this rule and score with this dimension, reference row and number of trainers',
  roundBudget: 'the budget of a round has to be above zero, and cannot become less',
  rounds: 'there has to be a round, and rounds cannot become fewer',
  stakeMin: 'the smallest stake has to be above zero',
  stakeMax: 'the largest stake cannot be below the smallest',
  challengerShareBps: 'the challenger’s share is above the whole',
  floorBps: 'the floor is above the whole',
  capBps: 'a cap below one share by stake would leave budget over',
  maxTrainers: 'at most 64 trainers can join',
  minTrainers: 'the smallest number of trainers is above the largest',
  byzantine: 'tolerating f Byzantine trainers needs at least 2f + 3 in a round',
  bits: 'entries have 4 to 16 bits',
  headroomBits: 'the headroom is too large for so few bits',
  dimension: 'the model has no parameters, or too many for so many bits',
  scaleExponent: 'the scale exponent is between -64 and 64',
  commitSeconds: 'the time to commit is above zero and at most 30 days',
  settleSeconds: 'the time to settle is above zero and at most 30 days',
  challengeSeconds: 'the challenge window is at most 30 days, and above zero where aggregators put up bonds',
  deadline: 'the deadline has to be in the future, at most ten years ahead, and cannot be put earlier',
  aggregators: 'one to eight aggregators have to be named, none of them the zero address',
}
const PHASES = ['not open', 'open', 'settling', 'challengeable', 'final', 'void']

const WORDS: Record<string, (args: Args) => string> = {
  Market_UnknownJob: ([job]) => `There is no job ${n(job)} on this market.`,
  Market_InvalidTerms: ([field]) => `The market refuses these terms: ${fieldWords(field)}.`,
  Market_NotOwner: ([job]) => `Only the owner of job ${n(job)} may do this; connect the account that opened it.`,
  Market_NotAggregator: ([job]) => `This account is no aggregator of job ${n(job)}.`,
  Market_NotTrainer: ([job]) => `This account has no stake in job ${n(job)}.`,
  Market_AlreadyJoined: ([job]) => `This account is in job ${n(job)} already.`,
  Market_JobFull: ([, most]) => `The job is full: at most ${n(most)} trainers.`,
  Market_JobClosed: ([job]) => `Job ${n(job)} is closed.`,
  Market_JobRunning: ([job]) => `Job ${n(job)} still runs: until it is over only its owner may close it.`,
  Market_NothingToExtend: () => 'Nothing would change: name more rounds, a larger budget or a later deadline.',
  Market_StakeOutOfRange: ([stake, least, most]) => `A stake of ${n(stake)} units is outside ${n(least)} to ${n(most)}.`,
  Market_StakeLocked: ([, round]) => `The stake is locked: an update of this account is in round ${n(round)}, which is not over.`,
  Market_WrongPhase: ([, round, phase]) => `Not now: round ${n(round)} is ${PHASES[Number(phase)] ?? 'in another phase'}.`,
  Market_TooFewTrainers: ([here, least]) => `${n(here)} trainers are not enough; ${n(least)} are needed.`,
  Market_DeadlinePassed: ([at]) => `The deadline has passed (${formatAbsolute(Number(at))}); no further round can open anyway.`,
  Market_AllRoundsUsed: () => 'All rounds of the job are used up.',
  Market_AlreadyCommitted: ([, round]) => `This account has committed in round ${n(round)} already.`,
  Market_DuplicateCommitment: () => 'The round has this very commitment already.',
  Market_InvalidCommitment: () => 'The commitment is no point of the curve.',
  Market_WrongCommitment: ([index]) => `The commitment at place ${n(index)} is another one.`,
  Market_NoReferenceAsked: () => 'This job has no reference row.',
  Market_NoReference: ([, round]) => `The owner has not committed the reference row of round ${n(round)}.`,
  Market_UnknownTrainers: () => 'The settlement names trainers who did not commit.',
  Market_TooManyExcluded: ([out, most]) => `${n(out)} trainers are left out; at most ${n(most)} may be.`,
  Market_WrongLength: ([field, length, expected]) => `${idWords(field)} has ${n(length)} entries where ${n(expected)} belong.`,
  Market_BudgetExceeded: () => 'The payouts are above the budget of the round.',
  Market_NothingToClaim: ([, round]) => `There is nothing to claim for this account in round ${n(round)}.`,
  Market_AlreadyClaimed: ([, round]) => `The pay of round ${n(round)} has been claimed already.`,
  Market_InsufficientBalance: () => 'The free balance on the market is lower than this amount.',
  Market_NotBonded: ([, round]) => `No bond is held behind round ${n(round)}.`,
  Market_NotSuperset: ([, round]) => `Round ${n(round)} is settled with trainers whom this settlement leaves out.`,
  Market_SlashedTrainers: ([, round]) => `The settlement of round ${n(round)} includes slashed trainers.`,
  Market_ZeroRecipient: () => 'The recipient cannot be the zero address or the market itself.',
  Market_ZeroAmount: () => 'The amount has to be above zero.',
  Assets_WrongValue: ([value, expected]) =>
    `The payment is ${n(value)} units where the market asks for ${n(expected)}: the job has changed meanwhile. Look again and repeat.`,
  Assets_InexactTransfer: ([, received, expected]) =>
    `The token delivers ${n(received)} units where ${n(expected)} were sent: tokens that take a fee cannot be used.`,
  Assets_InvalidPermit: () => 'The signed approval is malformed.',
  Cids_Invalid: () => 'The manifest’s CID is none that the market records: CIDv1, sha2-256, raw or dag-pb.',
  Gram_DimensionTooLarge: ([dimension, powers]) => `The reference string has ${n(powers)} powers, too few for ${n(dimension)} parameters.`,
  Gram_WrongProof: () => 'The proof is false.',
  Gram_WrongChain: () => 'The settlement is for another chain or market.',
  Gram_WrongAggregate: () => 'The aggregate’s commitment is not what the weights and commitments give.',
  Gram_NotGram: () => 'The matrix is no Gram matrix.',
  Gram_OutOfRange: () => 'An inner product is out of range.',
  Fault_NotShown: () => 'The evidence does not hold: what it shows is no fault. There is nothing to challenge.',
  Fault_WrongCommitment: () => 'The evidence is of something else than what is on record now: another settlement may have taken its place.',
  ...Object.fromEntries(
    ['Fault_UnknownKind', 'Fault_WrongLength', 'Fault_WrongStart'].map((name) => [name, () => 'The evidence does not hold: it is malformed.']),
  ),
  ...Object.fromEntries(
    ['Tree_WrongLeafLength', 'Tree_NoSuchLeaf', 'Tree_WrongPathLength', 'Tree_WrongRoot'].map((name) => [
      name,
      () => 'The evidence does not hold: its part of the published file is not what the settlement’s root is of.',
    ]),
  ),
  ...Object.fromEntries(
    ['Opening_WrongLength', 'Opening_OutOfRange', 'Opening_InvalidValue', 'Opening_InvalidPoint', 'Opening_InvalidScalar', 'Opening_WrongProof'].map((name) => [
      name,
      () => 'The evidence does not hold: its proof is false.',
    ]),
  ),
  FailedCall: () => 'The recipient did not take the payment.',
  InsufficientBalance: () => 'The market does not hold so much of the coin.',
  ReentrancyGuardReentrantCall: () => 'The market refused a call within a call.',
  SafeERC20FailedOperation: () => 'The token refused the transfer: approval or balance does not suffice.',
  ERC20InsufficientBalance: () => 'The account holds less of the token than this amount.',
  ERC20InsufficientAllowance: () => 'The market is not allowed to take this amount of the token yet.',
  ERC20InvalidReceiver: () => 'The token refuses this recipient.',
  ERC20InvalidSpender: () => 'The token refuses to be approved to the market.',
  ERC2612ExpiredSignature: () => 'The signed approval has expired.',
  ERC2612InvalidSigner: () => 'The signed approval is of another account.',
}

const uint = (name: string) => ({ name, type: 'uint256' })
const address = (name: string) => ({ name, type: 'address' })
const bytes32 = (name: string) => ({ name, type: 'bytes32' })
const error = (name: string, inputs: { name: string; type: string }[] = []) => ({ type: 'error', name, inputs })

const OTHER_ERRORS = [
  error('Gram_DimensionTooLarge', [uint('dimension'), uint('powers')]),
  error('Gram_WrongProof'),
  error('Gram_WrongChain', [uint('posted'), uint('expected')]),
  error('Gram_WrongAggregate', [bytes32('posted'), bytes32('expected')]),
  error('Gram_NotGram', [uint('i'), uint('j')]),
  error('Gram_OutOfRange', [uint('i'), uint('j'), { name: 'value', type: 'int256' }]),
  error('Fault_UnknownKind', [{ name: 'kind', type: 'uint8' }]),
  error('Fault_WrongCommitment', [bytes32('shown'), bytes32('recorded')]),
  error('Fault_WrongLength', [bytes32('field'), uint('length'), uint('expected')]),
  error('Fault_WrongStart', [uint('start')]),
  error('Fault_NotShown'),
  error('Tree_WrongLeafLength', [uint('length')]),
  error('Tree_NoSuchLeaf', [uint('index'), uint('leaves')]),
  error('Tree_WrongPathLength', [uint('length'), uint('expected')]),
  error('Tree_WrongRoot', [bytes32('computed'), bytes32('recorded')]),
  error('Opening_WrongLength', [bytes32('field'), uint('length')]),
  error('Opening_OutOfRange', [uint('start'), uint('powers')]),
  error('Opening_InvalidValue', [uint('index')]),
  error('Opening_InvalidPoint', [bytes32('message')]),
  error('Opening_InvalidScalar', [bytes32('message')]),
  error('Opening_WrongProof'),
  error('ERC20InsufficientBalance', [address('sender'), uint('balance'), uint('needed')]),
  error('ERC20InsufficientAllowance', [address('spender'), uint('allowance'), uint('needed')]),
  error('ERC20InvalidReceiver', [address('receiver')]),
  error('ERC20InvalidSpender', [address('spender')]),
  error('ERC2612ExpiredSignature', [uint('deadline')]),
  error('ERC2612InvalidSigner', [address('signer'), address('owner')]),
]
/** Of verifiers and tokens, which calls of the market can answer with; for tests. */
export const FOREIGN_ERRORS: readonly { name: string; inputs: { name: string; type: string }[] }[] = OTHER_ERRORS
const ERRORS = [...MARKET_ERRORS, ...OTHER_ERRORS] as unknown as Abi

/** All errors that have words, for tests. */
export const WORDED: readonly string[] = Object.keys(WORDS)

/** Why something failed. Never throws. */
export function refusalOf(failure: unknown): Refusal {
  if (hasCode(failure, REJECTED)) return { by: 'user', name: null, text: 'You declined in the wallet. Nothing was sent, nothing was paid.' }
  if (hasCode(failure, PENDING_REQUEST)) return { by: 'wallet', name: null, text: 'The wallet has an open request already: look for its window.' }
  if (hasCode(failure, UNAUTHORIZED)) return { by: 'wallet', name: null, text: 'The wallet has not shared this account with this page; connect it again.' }
  const data = revertData(failure)
  if (data) return decoded(data)
  const said = messageOf(failure)
  if (/insufficient funds/i.test(said)) return { by: 'chain', name: null, text: 'The account’s coin does not cover amount and gas.' }
  if (/revert/i.test(said)) return { by: 'chain', name: null, text: `The call would fail: ${said}.` }
  return { by: failure instanceof RpcError ? 'chain' : 'wallet', name: null, text: `It did not work: ${said}.` }
}

/** The same of a revert's data. */
export function decoded(data: Hex): Refusal {
  try {
    const { errorName, args = [] } = decodeErrorResult({ abi: ERRORS, data })
    if (errorName === 'Error') return { by: byText(args[0]), name: null, text: `The call would fail: ${n(args[0])}.` }
    if (errorName === 'Panic') return { by: 'chain', name: null, text: `The contract stopped at an impossible state (panic ${n(args[0])}).` }
    return { by: /^(ERC20|ERC2612|SafeERC20)/.test(errorName) ? 'token' : 'market', name: errorName, text: WORDS[errorName]?.(args) ?? `The contract refused: ${errorName}.` }
  } catch {
    return { by: 'token', name: null, text: `The call would fail with an error that is not the market’s (${data.slice(0, 10)}).` }
  }
}

/** Strings are tokens' errors: the market has none. */
const byText = (text: unknown): Refusal['by'] => (typeof text === 'string' ? 'token' : 'chain')

function fieldWords(field: unknown): string {
  const id = idWords(field)
  return FIELDS[id] ?? id
}

function idWords(word: unknown): string {
  return hexToString(word as Hex, { size: 32 }).replace(/\0+$/, '')
}
