/** The charts' chunk, fetched once: pages that will show a chart ask for it while their data are on the way. */

export function loadEngine(): Promise<typeof import('./engine')> {
  return import('./engine')
}
