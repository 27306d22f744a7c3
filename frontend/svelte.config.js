import { vitePreprocess } from '@sveltejs/vite-plugin-svelte'

/** Scoped class names follow from the styles alone, so that every machine builds the same files. */
export default {
  preprocess: vitePreprocess(),
  compilerOptions: { cssHash: ({ hash, css }) => `g-${hash(css)}` },
}
