/** What screen readers are told outside the flow of the page. */

class Announcer {
  message = $state('')
}

export const announcer = new Announcer()

/** Say something once; the same words twice are two messages. */
export function announce(message: string): void {
  announcer.message = announcer.message === message ? `${message}\u00a0` : message
}
