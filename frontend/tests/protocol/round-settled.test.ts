import { expect, test } from 'vitest'

import artifact from '../../../contracts/artifacts/Market.json'
import { ROUND_SETTLED } from '../../src/protocol/round-settled'

test("the event is the compiled contract's", () => {
  const abi = JSON.parse(JSON.stringify(artifact.abi), (key, value: unknown) =>
    key === 'internalType' ? undefined : value,
  ) as { name?: string }[]
  expect(abi.filter(({ name }) => name === 'RoundSettled')).toEqual([ROUND_SETTLED])
})
