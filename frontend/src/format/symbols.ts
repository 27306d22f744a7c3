/** What amounts of a token are called: the same rule as in market/chain/tokens.py. */
import { shorten } from './text'

const SYMBOL = /^[A-Za-z][A-Za-z0-9.+-]{1,10}$/
const EXPONENT = /^e[0-9.+-]+$/i
const OTHERS = ['coin', 'coins', 'unit', 'units', 'token', 'tokens', 'eth', 'ether', 'ethers', 'wei', 'gwei']
const MULTIPLES = ['thousand', 'mn', 'mio', 'million', 'millions', 'bn', 'billion', 'billions', 'trillion']
const RESERVED = new Set([...OTHERS, ...MULTIPLES])

/** A token's symbol where it cannot be misread, as another unit or as a part of the number; else its short address. */
export function shownSymbol(symbol: unknown, address: string): string {
  const plain = typeof symbol === 'string' && SYMBOL.test(symbol) && !EXPONENT.test(symbol) && !RESERVED.has(symbol.toLowerCase())
  return plain ? symbol : `token ${shorten(address)}`
}
