import { Shell } from './shell.tsx'
import { SignIn } from './sign-in.tsx'
import { SessionGate } from './state/session.tsx'
import { ThemeProvider } from './state/theme.tsx'

export function App() {
  return (
    <ThemeProvider>
      <SessionGate entrance={(entry, enter) => <SignIn entry={entry} enter={enter} />}>
        <Shell />
      </SessionGate>
    </ThemeProvider>
  )
}
