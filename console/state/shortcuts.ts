import { useEffect, useRef } from 'react'
import { pages } from './pages.ts'
import { goTo } from './route.ts'
import { useSetting } from './settings.ts'
import { useTheme } from './theme.tsx'

export interface Shortcuts {
  readonly on: boolean
  toggle(): void
}

/** How long a `g` waits for the letter after it. */
const leaderMs = 1_500

/** Keys without Ctrl or Alt, which never reach what is being typed, and which can be turned off. */
export function useShortcuts(help: () => void): Shortcuts {
  const [setting, choose] = useSetting('shortcuts', ['on', 'off'], 'on')
  const { next } = useTheme()
  const acts = useRef({ help, next })
  acts.current = { help, next }
  const on = setting === 'on'
  useEffect(() => {
    let leaderAt = Number.NEGATIVE_INFINITY
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return
      if (event.key === '?') {
        event.preventDefault()
        acts.current.help()
        return
      }
      if (!on || document.querySelector('dialog[open]')) return
      if (event.timeStamp - leaderAt < leaderMs) {
        leaderAt = Number.NEGATIVE_INFINITY
        const page = pages.find(({ key }) => key === event.key)
        if (page) goTo(page.path)
      } else if (event.key === 'g') leaderAt = event.timeStamp
      else if (event.key === 't') acts.current.next()
      else if (event.key === '/') focusSearch(event)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [on])
  return { on, toggle: () => choose(on ? 'off' : 'on') }
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches('input, textarea, select, [contenteditable]')
}

/** To the page's own filter, where it has one. */
function focusSearch(event: KeyboardEvent): void {
  const field = document.querySelector<HTMLElement>('main [data-search]')
  if (!field) return
  event.preventDefault()
  field.focus()
}
