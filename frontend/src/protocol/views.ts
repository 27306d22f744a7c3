/** What a comparison with the chain asks of contracts (tests compare with contracts/artifacts). */
import { MARKET_ABI } from '../wallet/abi'

const [CREATE] = MARKET_ABI

export const MARKET_VIEWS = [
  {
    type: 'function',
    name: 'terms',
    stateMutability: 'view',
    inputs: [{ name: 'jobId', type: 'uint256' }],
    outputs: [{ name: '', type: 'tuple', components: CREATE.inputs[0].components }],
  },
  {
    type: 'function',
    name: 'round',
    stateMutability: 'view',
    inputs: [{ name: 'jobId', type: 'uint256' }, { name: 'number', type: 'uint32' }],
    outputs: [
      {
        name: '',
        type: 'tuple',
        components: [
          { name: 'commitEnd', type: 'uint64' },
          { name: 'settleEnd', type: 'uint64' },
          { name: 'challengeEnd', type: 'uint64' },
          { name: 'scaleExponent', type: 'int16' },
          { name: 'nextScaleExponent', type: 'int16' },
          { name: 'commits', type: 'uint16' },
          { name: 'settled', type: 'bool' },
          { name: 'overturned', type: 'bool' },
          { name: 'aggregateCommitment', type: 'bytes32' },
          { name: 'aggregateRoot', type: 'bytes32' },
          { name: 'settledBy', type: 'address' },
          { name: 'weightSum', type: 'uint64' },
          { name: 'previousSettled', type: 'uint32' },
          { name: 'referenceCommitment', type: 'bytes32' },
          { name: 'memoryDigest', type: 'bytes32' },
          { name: 'nextMemoryDigest', type: 'bytes32' },
          { name: 'included', type: 'uint64' },
          { name: 'slashed', type: 'uint64' },
          { name: 'referenceIncluded', type: 'bool' },
          { name: 'bonded', type: 'bool' },
          { name: 'refunded', type: 'bool' },
        ],
      },
    ],
  },
] as const

export const VERIFIER_VIEWS = [
  { type: 'function', name: 'srsDigest', stateMutability: 'view', inputs: [], outputs: [{ name: '', type: 'bytes32' }] },
  { type: 'function', name: 'ruleOf', stateMutability: 'view', inputs: [{ name: 'id', type: 'bytes32' }], outputs: [{ name: '', type: 'address' }] },
  { type: 'function', name: 'scoreOf', stateMutability: 'view', inputs: [{ name: 'id', type: 'bytes32' }], outputs: [{ name: '', type: 'address' }] },
] as const

/** Arguments of a verifier's constructor: the eighteen words, its rules and its scores. */
export const VERIFIER_ARGUMENTS = [{ type: 'uint256[18]' }, { type: 'address[]' }, { type: 'address[]' }] as const

/** Contract that checks a rule, by the rule's id (market/chain/artifacts.py). */
export const RULE_CONTRACTS: Readonly<Record<string, string>> = {
  'centred-clipping': 'CentredClipping',
  fltrust: 'FlTrust',
  foolsgold: 'FoolsGold',
  'geometric-median': 'GeometricMedian',
  'marginal-value': 'MarginalValue',
  mean: 'Mean',
  'multi-krum': 'MultiKrum',
  'nnm+multi-krum': 'NnmMultiKrum',
}
/** Contract that checks a score, by the score's id. */
export const SCORE_CONTRACTS: Readonly<Record<string, string>> = {
  alignment: 'Alignment',
  cosine: 'Cosine',
  'leave-one-out': 'LeaveOneOut',
  reputation: 'Reputation',
  shapley: 'Shapley',
  'shapley-reference': 'ShapleyReference',
}
