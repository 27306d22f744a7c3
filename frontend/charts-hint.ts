/** Tells the page where the charts' chunk is, so that pages with charts can have it fetched before they run. */
import type { Plugin } from 'vite'

const ENGINE = '/src/charts/engine.ts'

/** Read by public/charts.js. */
export function chartsHint(): Plugin {
  return {
    name: 'charts-hint',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const chunk = Object.values(bundle ?? {}).find((one) => one.type === 'chunk' && one.facadeModuleId?.endsWith(ENGINE))
        return chunk ? [{ tag: 'meta', attrs: { name: 'charts', content: `/${chunk.fileName}` }, injectTo: 'head-prepend' }] : []
      },
    },
  }
}
