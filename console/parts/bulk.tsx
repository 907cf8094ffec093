import { type FormEvent, useEffect, useId, useState } from 'react'
import type { BulkProgress, ParkedPreview, ParkedWish } from '../../src/console/wire.ts'
import { useAct } from '../state/hooks.ts'
import { useSession } from '../state/session.tsx'
import { Note } from './card.tsx'
import { Dialog } from './dialog.tsx'
import { count, plural } from './format.ts'

type Phase =
  | { kind: 'previewing' }
  | { kind: 'previewed'; preview: ParkedPreview; busy: boolean; problem: string | undefined }
  | { kind: 'running' | 'ended'; progress: BulkProgress; problem: string | undefined }
  | { kind: 'failed'; says: string }

const progressEveryMs = 700

/** Many at once, in two steps: what it would hit, then that and no other number. */
export function Bulk({ wish, onClose }: { wish: ParkedWish; onClose: () => void }) {
  const act = useAct()
  const { api } = useSession()
  const [phase, setPhase] = useState<Phase>({ kind: 'previewing' })
  const verb = wish.act === 'redrive' ? 'Redrive' : 'Discard'

  useEffect(() => {
    let here = true
    void api.post<ParkedPreview>('/parked_preview', wish).then(outcome => {
      if (!here) return
      if (outcome.kind === 'failure') setPhase({ kind: 'failed', says: outcome.failure.message })
      else setPhase({ kind: 'previewed', preview: outcome.body, busy: false, problem: undefined })
    })
    return () => {
      here = false
    }
  }, [api, wish])

  const running = phase.kind === 'running' ? phase.progress.id : undefined
  useEffect(() => {
    if (running === undefined) return undefined
    let here = true
    const timer = setInterval(async () => {
      const outcome = await api.post<BulkProgress>('/parked_progress', { id: running })
      if (!here) return
      setPhase(before => (before.kind === 'running' ? after(before.progress, outcome) : before))
    }, progressEveryMs)
    return () => {
      here = false
      clearInterval(timer)
    }
  }, [api, running])

  const run = async (preview: ParkedPreview, reason: string) => {
    setPhase({ kind: 'previewed', preview, busy: true, problem: undefined })
    const outcome = await act('parked_act', {
      preview: preview.preview,
      count: preview.count,
      ...(reason === '' ? {} : { reason }),
    })
    if (outcome.kind === 'failure')
      setPhase({ kind: 'previewed', preview, busy: false, problem: outcome.failure.message })
    else setPhase(showing(outcome.body))
  }

  return (
    <Dialog title={`${verb} parked deliveries`} onClose={onClose}>
      {phase.kind === 'previewing' ? <p role="status">Looking what this would hit …</p> : null}
      {phase.kind === 'failed' ? (
        <Note level="bad" alert>
          {phase.says}
        </Note>
      ) : null}
      {phase.kind === 'previewed' ? (
        <Preview phase={phase} verb={verb} onRun={reason => void run(phase.preview, reason)} />
      ) : null}
      {phase.kind === 'running' || phase.kind === 'ended' ? <Progress phase={phase} verb={verb} /> : null}
      {phase.kind === 'previewed' ? null : (
        <div className="row">
          <button type="button" onClick={onClose}>
            {phase.kind === 'running' ? 'Close; it goes on' : 'Close'}
          </button>
        </div>
      )}
    </Dialog>
  )
}

function showing(progress: BulkProgress): Phase {
  return { kind: progress.done ? 'ended' : 'running', progress, problem: undefined }
}

/** One answer that does not come is no end: the server goes on by itself. */
function after(
  progress: BulkProgress,
  outcome: { kind: 'answer'; body: BulkProgress } | { kind: 'failure'; failure: { message: string } },
): Phase {
  if (outcome.kind === 'answer') return showing(outcome.body)
  return { kind: 'running', progress, problem: outcome.failure.message }
}

function Preview({
  phase: { preview, busy, problem },
  verb,
  onRun,
}: {
  phase: Extract<Phase, { kind: 'previewed' }>
  verb: string
  onRun: (reason: string) => void
}) {
  const id = useId()
  const [reason, setReason] = useState('')
  const discard = preview.act === 'discard'
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onRun(reason.trim())
  }
  return (
    <form className="stack" onSubmit={submit}>
      <p>
        This hits <strong>{plural(preview.count, 'delivery', 'deliveries')}</strong>
        {discard
          ? '. Discarded ones are never handled; what waits behind them goes on.'
          : '. They are handled again, with no attempts counted.'}
      </p>
      <ul className="lines">
        {preview.reasons.map(({ consumer, reason: why, count: hit }) => (
          <li key={`${consumer} ${why}`}>
            <span>
              <strong>{consumer}</strong> <span className="muted">{why ?? 'without a reason'}</span>
            </span>
            <span>{count(hit)}</span>
          </li>
        ))}
      </ul>
      {preview.sample.length === 0 ? null : (
        <p className="muted small">
          For instance{' '}
          {preview.sample
            .slice(0, 5)
            .map(({ channel, offset }) => `${channel}@${offset}`)
            .join(', ')}
        </p>
      )}
      <div className="field">
        <label htmlFor={id}>Reason{discard ? '' : ' (optional)'}</label>
        <input
          id={id}
          value={reason}
          required={discard}
          maxLength={500}
          onChange={event => setReason(event.target.value)}
        />
      </div>
      {problem === undefined ? null : (
        <Note level="bad" alert>
          {problem}
        </Note>
      )}
      <div className="row">
        <button
          type="submit"
          className={discard ? 'danger' : 'primary'}
          disabled={busy || preview.count === 0}
        >
          {busy ? 'Working …' : `${verb} ${count(preview.count)}`}
        </button>
      </div>
    </form>
  )
}

function Progress({
  phase: { progress, problem },
  verb,
}: {
  phase: Extract<Phase, { kind: 'running' | 'ended' }>
  verb: string
}) {
  const { changed, notParked, total, done } = progress
  const passed = changed + notParked
  return (
    <div className="stack">
      <progress className="bar" max={Math.max(total, 1)} value={total === 0 ? 1 : passed} aria-label={verb} />
      <p role="status">
        {done ? 'Done: ' : ''}
        {count(changed)} of {count(total)} {progress.act === 'redrive' ? 'are handled again' : 'discarded'}
        {notParked === 0 ? '' : `, ${count(notParked)} were no longer parked`}
      </p>
      {progress.problem === null ? null : <Note level="bad">It has ended early: {progress.problem}</Note>}
      {problem === undefined ? null : <Note level="warn">How far it is, is not known: {problem}</Note>}
    </div>
  )
}
