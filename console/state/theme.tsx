import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from 'react'
import { useSetting } from './settings.ts'

export type Theme = 'system' | 'light' | 'dark'
const themes = ['system', 'light', 'dark'] as const

const Context = createContext<{ wished: Theme; shown: 'light' | 'dark'; next(): void }>({
  wished: 'system',
  shown: 'light',
  next() {},
})

export function useTheme() {
  return useContext(Context)
}

const darkQuery = '(prefers-color-scheme: dark)'

function onScheme(changed: () => void): () => void {
  const query = matchMedia(darkQuery)
  query.addEventListener('change', changed)
  return () => query.removeEventListener('change', changed)
}

/** As the system has it, unless somebody has chosen. */
export function ThemeProvider({ children }: { children: ReactNode }) {
  const [wished, choose] = useSetting<Theme>('theme', themes, 'system')
  const systemDark = useSyncExternalStore(onScheme, () => matchMedia(darkQuery).matches)
  const shown = wished === 'system' ? (systemDark ? 'dark' : 'light') : wished
  useEffect(() => {
    document.documentElement.dataset['theme'] = shown
  }, [shown])
  const value = useMemo(
    () => ({
      wished,
      shown,
      next: () => choose(themes[(themes.indexOf(wished) + 1) % themes.length] ?? 'system'),
    }),
    [wished, shown, choose],
  )
  return <Context value={value}>{children}</Context>
}
