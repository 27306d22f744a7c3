import { existsSync, readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { chartsHint } from '../charts-hint'

const MARKET = `/markets/31337/0x${'ab'.repeat(20)}`

/** What the script asks the browser to fetch on a page. */
function asked(pathname: string, named = true): string[] {
  const links: { rel?: string; href?: string }[] = []
  const document = {
    querySelector: () => (named ? { content: '/assets/engine.js' } : null),
    createElement: () => ({}),
    head: { append: (link: object) => links.push(link) },
  }
  runInNewContext(readFileSync('public/charts.js', 'utf8'), { location: { pathname }, document })
  return links.map(({ rel, href }) => `${rel} ${href}`)
}

test.each([
  [`${MARKET}/jobs/7`, 1],
  [`${MARKET}/jobs/7/rounds/12`, 1],
  [`${MARKET}/jobs/7/`, 1],
  [`${MARKET}/jobs/7/rounds`, 0],
  [`${MARKET}/jobs/7/terms`, 0],
  [MARKET, 0],
  ['/', 0],
])('the charts are fetched early on %s: %s', (path, count) => {
  expect(asked(path)).toEqual(Array(count).fill('modulepreload /assets/engine.js'))
})

test('nothing is fetched where no page names the charts', () => {
  expect(asked(`${MARKET}/jobs/7`, false)).toEqual([])
})

test('the built page names a chunk that is there', () => {
  const named = /<meta name="charts" content="([^"]+)">/.exec(readFileSync('../market/api/bundle/index.html', 'utf8'))?.[1]
  expect(named).toMatch(/engine/)
  expect(existsSync(`../market/api/bundle${named}`)).toBe(true)
})

test('a page without the charts’ chunk names none', () => {
  const { transformIndexHtml } = chartsHint() as { transformIndexHtml: { handler: (html: string, context: object) => unknown } }
  expect(transformIndexHtml.handler('', { bundle: {} })).toEqual([])
})
