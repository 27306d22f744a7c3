/** All that this browser asked of wallets, followed on the chain until nothing about it changes any more. */
import { announce } from '../ui/announcer.svelte'
import { codeOf, type Provider, same } from './eip1193'
import { concernsFlows, type Flow, loadAll, remove, save, stateOf, type Tx, unfinished } from './flows'
import { look } from './following'
import { isLocal } from './settings'
import { readerOf } from './wallet.svelte'

const TARGET = 12
const POLL_MS = 4_000
const POLL_LOCAL_MS = 400
/** keccak256 of JobCreated's signature (a test compares). */
export const JOB_CREATED = '0xcb39ab9da2428fcf1993dbd12e47d2866e74a02339136843a3fd0e54fb16fce6'

const STATES: Record<Tx['state'], string> = {
  pending: 'pending',
  confirmed: 'confirmed',
  failed: 'failed',
  replaced: 'replaced by another transaction',
  cancelled: 'cancelled in the wallet',
  dropped: 'dropped: no node knows it any more',
  unknown: 'unknown: its nonce is used, and by what cannot be told',
}

/** After how many blocks a transaction is called settled. */
export const targetOf = (chainId: number): number => (isLocal(chainId) ? 1 : TARGET)

class Transactions {
  flows = $state.raw<Flow[]>([])
  readonly waiting = $derived(this.flows.filter(({ state }) => state === 'pending').length)
  readonly open = $derived(this.flows.filter(unfinished).length)
  #storage: Storage | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #busy = false

  /** Take up what earlier visits left, and follow it. Returns how to stop. */
  start(storage: Storage): () => void {
    this.#storage = storage
    this.#read()
    const changed = (event: StorageEvent) => concernsFlows(event.key) && this.#read()
    window.addEventListener('storage', changed)
    this.#schedule(0)
    return () => {
      window.removeEventListener('storage', changed)
      clearTimeout(this.#timer)
    }
  }

  find(id: string): Flow | undefined {
    return this.flows.find((flow) => flow.id === id)
  }

  /** The transactions of all other flows: none of them is this one's, though it were the same call. */
  besides(flow: Flow): ReadonlySet<string> {
    return new Set(this.flows.filter(({ id }) => id !== flow.id).flatMap(({ txs }) => txs.map(({ hash }) => hash.toLowerCase())))
  }

  /** Keep a flow's new state. */
  keep(flow: Flow): void {
    this.flows = [flow, ...this.flows.filter(({ id }) => id !== flow.id)].sort((a, b) => b.created - a.created)
    try {
      if (this.#storage) save(this.#storage, flow)
    } catch {
      announce('This browser keeps nothing: do not close the page before the transaction is confirmed.')
    }
    // Seen at once, a transaction is known by the nonce that the wallet gave it.
    this.#schedule(flow.txs.some((tx) => tx.state === 'pending' && !tx.shown) ? 0 : POLL_LOCAL_MS)
  }

  /** Send nothing more of a flow; a doubt whether something was sent stays with it. */
  abandon(flow: Flow): void {
    this.keep({ ...flow, state: 'abandoned' })
  }

  forget(flow: Flow): void {
    this.flows = this.flows.filter(({ id }) => id !== flow.id)
    if (this.#storage) remove(this.#storage, flow)
  }

  /** Look at all that is not settled, once. */
  async follow(readers: (chainId: number) => Promise<Provider | null> = readerOf): Promise<void> {
    for (const flow of this.flows) {
      for (const tx of flow.txs.filter((one) => unsettled(flow, one))) {
        const rpc = await readers(flow.chainId)
        if (rpc) await this.#look(rpc, flow.id, tx).catch((error: unknown) => void codeOf(error))
      }
    }
  }

  async #look(rpc: Provider, id: string, tx: Tx): Promise<void> {
    const flow = this.find(id)
    if (!flow) return
    const { tx: seen, receipt } = await look(rpc, tx, flow.account, Date.now(), this.besides(flow))
    const created = seen.state === 'confirmed' ? receipt?.logs.find(({ address, topics }) => same(address, flow.market) && topics[0] === JOB_CREATED) : undefined
    if (seen.state === 'failed' && tx.reason === null) {
      const { reasonOf } = await import('./runner')
      seen.reason = await reasonOf(rpc, flow, seen)
    } else if (seen.state === 'failed') seen.reason = tx.reason
    const now = this.find(id)
    if (!now || JSON.stringify(seen) === JSON.stringify(tx)) return
    // Two tries of which one was mined are one transaction.
    const others = now.txs.filter((one) => one.hash === tx.hash || !same(one.hash, seen.hash))
    const after: Flow = { ...now, txs: others.map((one) => (one.hash === tx.hash ? seen : one)) }
    after.state = stateOf(after)
    after.jobId = created?.topics[1] ? Number(BigInt(created.topics[1])) : after.state === 'confirmed' ? now.jobId : null
    if (seen.state !== tx.state) announce(`${flow.title}: ${STATES[seen.state]}.`)
    this.keep(after)
  }

  #read(): void {
    if (this.#storage) this.flows = loadAll(this.#storage)
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    const live = this.flows.filter((flow) => flow.txs.some((tx) => unsettled(flow, tx)))
    if (live.length === 0) return
    this.#timer = setTimeout(() => void this.#round(), ms || 1)
  }

  async #round(): Promise<void> {
    if (!this.#busy) {
      this.#busy = true
      await this.follow()
      this.#busy = false
    }
    this.#schedule(this.flows.some((flow) => isLocal(flow.chainId) && flow.state === 'pending') ? POLL_LOCAL_MS : POLL_MS)
  }
}

export const transactions = new Transactions()

function unsettled(flow: Flow, tx: Tx): boolean {
  if (tx.state === 'pending') return true
  // One that was lost may still come: nodes forget at different times.
  if (tx.state === 'dropped' || tx.state === 'unknown') return flow.state !== 'confirmed' && flow.state !== 'abandoned'
  // What took another one's place may be taken back as well.
  return tx.confirmations < targetOf(flow.chainId)
}
