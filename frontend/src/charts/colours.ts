/** The design system's colours, as charts need them: resolved. */

const NAMES = {
  text: '--text',
  muted: '--muted',
  line: '--line',
  surface: '--surface',
  heatLow: '--heat-low',
  heatHigh: '--heat-high',
  heatNegative: '--heat-negative',
  series1: '--series-1',
  series2: '--series-2',
  greySoft: '--grey-soft',
} as const

export type Colours = Record<keyof typeof NAMES, string> & { font: string }

export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element)
  const found = { font: style.fontFamily } as Colours
  for (const [name, variable] of Object.entries(NAMES)) found[name as keyof typeof NAMES] = style.getPropertyValue(variable).trim()
  return found
}
