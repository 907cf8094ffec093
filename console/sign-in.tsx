import { type FormEvent, useId, useState } from 'react'
import { Brand } from './parts/brand.tsx'
import { Note } from './parts/card.tsx'
import type { Entry } from './state/session.tsx'

export function SignIn({ entry, enter }: { entry: Entry; enter: (token: string) => void }) {
  const id = useId()
  const [token, setToken] = useState('')
  if (entry.kind === 'trying')
    return (
      <main className="signin">
        <p role="status">Asking the server …</p>
      </main>
    )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    enter(token.trim())
  }
  return (
    <main className="signin">
      <form className="card" onSubmit={submit}>
        <h1 className="brand">
          <Brand /> Holdfast console
        </h1>
        <div className="field">
          <label htmlFor={id}>Console token</label>
          <input
            id={id}
            type="password"
            autoComplete="current-password"
            required={entry.failure?.kind !== 'silent'}
            value={token}
            onChange={event => setToken(event.target.value)}
          />
        </div>
        {entry.failure ? (
          <Note level="bad" alert>
            {entry.failure.message}
          </Note>
        ) : null}
        <button type="submit" className="primary">
          {entry.failure?.kind === 'silent' ? 'Try again' : 'Sign in'}
        </button>
        <p className="muted small">
          Tokens stand in the configuration under <code>console.tokens</code>. This tab keeps it until it is
          closed.
        </p>
      </form>
    </main>
  )
}
