/** The published contracts as a module, made when the pages are built: what code they have, and what makes a verifier. */
import { readdirSync, readFileSync } from 'node:fs'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Plugin } from 'vite'

const FOLDER = new URL('../contracts/artifacts/', import.meta.url)
const MODULE = 'virtual:published-code'

interface Artifact {
  bytecode: string
  deployedBytecode: string
  immutables: [start: number, length: number][]
}

function artifact(name: string): Artifact {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Artifact
}

/** The code as compiled has zeros where a constructor fills something in. */
function codeOf({ deployedBytecode, immutables }: Artifact): { bytes: number; immutables: Artifact['immutables']; digest: string } {
  const code = hexToBytes(deployedBytecode.replace(/^0x/, ''))
  return { bytes: code.length, immutables, digest: `0x${bytesToHex(keccak_256(code))}` }
}

export function publishedCode(): Plugin {
  return {
    name: 'published-code',
    resolveId: (id) => (id === MODULE ? `\0${MODULE}` : null),
    load(id) {
      if (id !== `\0${MODULE}`) return null
      const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json')).sort()
      const codes = Object.fromEntries(names.map((name) => [name.slice(0, -'.json'.length), codeOf(artifact(name))]))
      const creation = artifact('GramVerifier.json').bytecode
      return `export const PUBLISHED = ${JSON.stringify(codes)}\nexport const VERIFIER_CREATION = ${JSON.stringify(creation)}\n`
    },
  }
}
