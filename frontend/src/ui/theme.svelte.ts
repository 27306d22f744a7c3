/** Light or dark: the system's choice until the user makes another. */

export type Theme = 'light' | 'dark'
const KEY = 'gramercy.theme'

class ThemeChoice {
  #system = $state<Theme>('light')
  #chosen = $state<Theme | null>(null)
  readonly theme: Theme = $derived(this.#chosen ?? this.#system)

  constructor() {
    const dark = window.matchMedia('(prefers-color-scheme: dark)')
    const read = () => (this.#system = dark.matches ? 'dark' : 'light')
    read()
    dark.addEventListener('change', read)
    const stored = document.documentElement.dataset.theme
    if (stored === 'light' || stored === 'dark') this.#chosen = stored
  }

  toggle(): void {
    const next: Theme = this.theme === 'dark' ? 'light' : 'dark'
    this.#chosen = next
    document.documentElement.dataset.theme = next
    try {
      localStorage.setItem(KEY, next)
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
}

export const theme = new ThemeChoice()
