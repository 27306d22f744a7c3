/** Lists that a page needs whole. */
import { readUrl } from './client'
import type { Page } from './types'

const PAGE = 200
/** More than this is nothing to look at; what is cut off is told by `total`. */
const MOST = 2_000

/** Read a list page by page until it ends; `url` has no query of its own. */
export async function readAll<Item>(url: string, signal?: AbortSignal): Promise<Page<Item>> {
  const items: Item[] = []
  let cursor: string | null | undefined
  let total = 0
  do {
    const query = new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : {}) })
    const page = await readUrl<Page<Item>>(`${url}?${query}`, signal ? { signal } : {})
    items.push(...page.items)
    total = page.total
    cursor = page.next
  } while (cursor && items.length < MOST)
  return { items, next: cursor ?? null, total }
}
