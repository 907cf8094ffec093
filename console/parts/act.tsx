import { createContext, type FormEvent, type ReactNode, useContext, useId, useState } from 'react'
import type { Writes } from '../../src/console/wire.ts'
import { useAct } from '../state/hooks.ts'
import { useSession } from '../state/session.tsx'
import { Note } from './card.tsx'
import { Dialog } from './dialog.tsx'

export const viewerNote = 'viewer-note'

/** Why the buttons of a page do nothing, said once on it; each of them points here. */
export function ViewerNote() {
  const { me } = useSession()
  if (me.role === 'operator') return null
  return (
    <p id={viewerNote} className="muted">
      You are signed in as a viewer. Only operators can act, so the buttons that change something are
      disabled.
    </p>
  )
}

/** A button that only operators can press. Others can reach it and are told why it does nothing. */
export function OperatorButton({
  onPress,
  kind,
  children,
  label,
  submits = false,
}: {
  onPress?: () => void
  kind?: 'primary' | 'danger'
  children: ReactNode
  label?: string
  /** Its form does what is to be done, by this button or by Enter in a field. */
  submits?: boolean
}) {
  const allowed = useSession().me.role === 'operator'
  return (
    <button
      type={submits && allowed ? 'submit' : 'button'}
      className={kind}
      aria-label={label}
      aria-disabled={!allowed}
      aria-describedby={allowed ? undefined : viewerNote}
      title={allowed ? undefined : 'For operators: you are signed in as a viewer'}
      onClick={() => allowed && onPress?.()}
    >
      {children}
    </button>
  )
}

type Simple = 'projection' | 'group' | 'schedule' | 'webhook' | 'namespace' | 'breaker'

type Phase = { kind: 'asking' } | { kind: 'busy' } | { kind: 'done' | 'failed'; says: string }

interface Decision<Name extends Simple> {
  readonly name: Name
  readonly body: (reason: string | undefined) => Writes[Name]['body']
  readonly label: string
  /** With what it is done to: `Pause receipts`. */
  readonly title: string
  readonly explains: ReactNode
  readonly reason?: 'none' | 'optional' | 'required'
  readonly kind?: 'primary' | 'danger'
}

type Shown = (onClose: () => void) => ReactNode

const ShowContext = createContext<(shown: () => Shown) => void>(() => undefined)

/** Shows what is being decided on a page: what it is decided on may be gone from there as soon as it is done. */
export function Decisions({ children }: { children: ReactNode }) {
  const [shown, show] = useState<Shown | undefined>()
  return (
    <ShowContext value={show}>
      {children}
      {shown?.(() => show(undefined))}
    </ShowContext>
  )
}

/** One decision: what it does is said first, a reason can be given, and what became of it stays until it is closed. */
export function Act<Name extends Simple>(decision: Decision<Name>) {
  const show = useContext(ShowContext)
  return (
    <OperatorButton
      // As it is when the button is pressed: it may mean the opposite as soon as somebody has decided.
      onPress={() => show(() => onClose => <Asking decision={decision} onClose={onClose} />)}
      label={decision.title}
    >
      {decision.label}
    </OperatorButton>
  )
}

const takeFocus = (element: HTMLElement | null) => element?.focus()

function Asking<Name extends Simple>({
  decision: { name, body, label, title, explains, reason = 'none', kind },
  onClose,
}: {
  decision: Decision<Name>
  onClose: () => void
}) {
  const act = useAct()
  const id = useId()
  const [phase, setPhase] = useState<Phase>({ kind: 'asking' })
  const [why, setWhy] = useState('')
  const run = async (event: FormEvent) => {
    event.preventDefault()
    setPhase({ kind: 'busy' })
    const outcome = await act(name, body(why.trim() === '' ? undefined : why.trim()))
    if (outcome.kind === 'failure') setPhase({ kind: 'failed', says: outcome.failure.message })
    else setPhase({ kind: 'done', says: outcome.body.says })
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={event => void run(event)}>
        <p>{explains}</p>
        {reason === 'none' || phase.kind === 'done' ? null : (
          <div className="field">
            <label htmlFor={id}>Reason{reason === 'optional' ? ' (optional)' : ''}</label>
            <input
              id={id}
              value={why}
              required={reason === 'required'}
              maxLength={500}
              onChange={event => setWhy(event.target.value)}
            />
          </div>
        )}
        <PhaseNote phase={phase} />
        <div className="row">
          {phase.kind === 'done' ? null : (
            <button
              type="submit"
              className={kind === 'danger' ? 'danger' : 'primary'}
              disabled={phase.kind === 'busy'}
            >
              {phase.kind === 'busy' ? 'Working …' : label}
            </button>
          )}
          {phase.kind === 'done' ? (
            // What was pressed is gone: whoever has no mouse goes on here.
            <button type="button" ref={takeFocus} onClick={onClose}>
              Close
            </button>
          ) : (
            <button type="button" onClick={onClose}>
              Cancel
            </button>
          )}
        </div>
      </form>
    </Dialog>
  )
}

function PhaseNote({ phase }: { phase: Phase }) {
  if (phase.kind !== 'done' && phase.kind !== 'failed') return null
  return (
    <Note level={phase.kind === 'done' ? 'ok' : 'bad'} alert>
      {phase.says}
    </Note>
  )
}
