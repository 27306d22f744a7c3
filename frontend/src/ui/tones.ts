/** The semantic colours of badges. */
export type Tone = 'neutral' | 'accent' | 'positive' | 'warn' | 'danger' | 'violet'
