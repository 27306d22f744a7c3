/** The notifications of this very browser. */
import { readUrl } from '../api/client'
import { router } from '../router/router.svelte'
import { connection } from './connection.svelte'
import type { Notice } from './notices'
import { Notifying, type Permission } from './notifying.svelte'

function permission(): Permission {
  if (!isSecureContext) return 'insecure'
  return 'Notification' in window ? Notification.permission : 'unsupported'
}

function ownStorage(): Storage | null {
  try {
    return localStorage
  } catch {
    return null
  }
}

function show({ title, body, tag, href }: Notice): void {
  try {
    const shown = new Notification(title, { body, tag, icon: '/icon.svg' })
    shown.onclick = () => {
      window.focus()
      router.go(href)
      shown.close()
    }
  } catch {
    // Browsers of phones allow notifications of service workers only.
    notifying.permission = 'unsupported'
  }
}

export const notifying = new Notifying({
  storage: ownStorage(),
  permission,
  ask: async () => {
    await Notification.requestPermission()
    return permission()
  },
  show,
  watch: (topic, tell) => connection.watch(topic, tell),
  read: (url) => readUrl(url),
})

/** Follow what this browser asked for, and what other tabs of it change. Returns how to stop. */
export function startNotifying(): () => void {
  const changed = ({ key }: StorageEvent) => notifying.changed(key)
  window.addEventListener('storage', changed)
  const stop = notifying.start()
  return () => {
    window.removeEventListener('storage', changed)
    stop()
  }
}
