/** Where the page is: history routing over plain links. */
import { parse, type Route } from './routes'

class Router {
  path = $state(location.pathname)
  search = $state(location.search)
  /** Grows with every page that is shown, not with changes of the query alone. */
  visits = $state(0)
  readonly route: Route = $derived(parse(this.path))
  readonly query = $derived(new URLSearchParams(this.search))

  /** Follow the browser's buttons and plain clicks on links of this site. Returns how to stop. */
  start(): () => void {
    const popped = () => this.#read()
    window.addEventListener('popstate', popped)
    document.addEventListener('click', follow)
    return () => {
      window.removeEventListener('popstate', popped)
      document.removeEventListener('click', follow)
    }
  }

  go(href: string): void {
    history.pushState(null, '', href)
    this.#read()
    if (location.hash === '') window.scrollTo(0, 0)
  }

  /** Change the query in place; null and empty values leave it. */
  setQuery(values: Record<string, string | null>, push = false): void {
    const query = new URLSearchParams(this.search)
    for (const [name, value] of Object.entries(values)) {
      if (value) query.set(name, value)
      else query.delete(name)
    }
    const href = query.size > 0 ? `${this.path}?${query}` : this.path
    if (push) history.pushState(null, '', href)
    else history.replaceState(null, '', href)
    this.#read()
  }

  #read(): void {
    if (location.pathname !== this.path) this.visits++
    this.path = location.pathname
    this.search = location.search
  }
}

export const router = new Router()

/** The address that a click asks this page to go to, or null where the browser shall see to it. */
export function followed(event: MouseEvent): string | null {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null
  const target = event.target
  const link = target instanceof Element ? target.closest('a') : null
  if (!link || link.target || link.hasAttribute('download')) return null
  const url = new URL(link.href, location.href)
  if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return null
  if (url.hash && url.pathname === location.pathname && url.search === location.search) return null
  return url.pathname + url.search + url.hash
}

function follow(event: MouseEvent): void {
  const href = followed(event)
  if (href === null) return
  event.preventDefault()
  router.go(href)
}
