/** Wallets of this browser: those that announce themselves (EIP-6963), or the one that took `window.ethereum`. */
import type { Provider } from './eip1193'

export interface Announced {
  /** Of the wallet's kind, the same on each visit. */
  rdns: string
  name: string
  /** A data URI. */
  icon: string | null
  provider: Provider
}

interface Announcement {
  info?: { uuid?: unknown; name?: unknown; icon?: unknown; rdns?: unknown }
  provider?: Provider
}

const FALLBACK = 'window.ethereum'

/** Tell of each wallet as it announces itself. Returns how to stop. */
export function discover(found: (wallet: Announced) => void): () => void {
  const heard = (event: Event) => {
    const wallet = announced((event as CustomEvent<Announcement | undefined>).detail)
    if (wallet) found(wallet)
  }
  window.addEventListener('eip6963:announceProvider', heard)
  window.dispatchEvent(new Event('eip6963:requestProvider'))
  return () => window.removeEventListener('eip6963:announceProvider', heard)
}

/** The wallet at `window.ethereum`, which serves where none announces itself. */
export function injected(): Announced | null {
  const provider = (window as { ethereum?: Provider }).ethereum
  return provider && typeof provider.request === 'function' ? { rdns: FALLBACK, name: 'Browser wallet', icon: null, provider } : null
}

function announced(detail: Announcement | undefined): Announced | null {
  const { info, provider } = detail ?? {}
  if (!info || typeof provider?.request !== 'function') return null
  if (typeof info.name !== 'string' || typeof info.rdns !== 'string') return null
  const icon = typeof info.icon === 'string' && info.icon.startsWith('data:image/') ? info.icon : null
  return { rdns: info.rdns, name: info.name.slice(0, 40), icon, provider }
}
