/** Copying, and telling those who cannot see it. */
import { announce } from './announcer.svelte'

/** Put a text on the clipboard; says so to screen readers. Returns whether it worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    announce('Copied')
    return true
  } catch {
    announce('Could not be copied')
    return false
  }
}
