import { svelte } from '@sveltejs/vite-plugin-svelte'
import { loadEnv } from 'vite'
import { defineConfig } from 'vitest/config'
import { chartsHint } from './charts-hint.ts'
import { publishedCode } from './published-code.ts'

export default defineConfig(({ mode }) => ({
  // Tests of runes run in node, but compiled as for browsers.
  plugins: [svelte(mode === 'test' ? { dynamicCompileOptions: () => ({ generate: 'client' }) } : {}), publishedCode(), chartsHint()],
  ssr: mode === 'test' ? { resolve: { conditions: ['browser', 'module'] } } : {},
  build: {
    outDir: '../market/api/bundle',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  worker: { format: 'es' as const },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': loadEnv(mode, '.', 'GRAMERCY_').GRAMERCY_API ?? 'http://127.0.0.1:8420' },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node', server: { deps: { inline: ['svelte'] } } },
}))
