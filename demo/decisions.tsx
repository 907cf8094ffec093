import { useHoldfast } from '@holdfast/client/react'
import { type FormEvent, useMemo, useState } from 'react'
import type { Meeting, Person } from './contract.ts'
import { type EventOf, useMe } from './meeting.ts'

interface Proposal {
  readonly id: string
  readonly text: string
  readonly by: Person
  readonly agreed: readonly Person[]
  readonly state: 'open' | 'decided' | 'withdrawn'
}

/** What was proposed, and what became of it. Nothing is decided here: the server does that, whoever presses first. */
export function Decisions({ events }: { events: readonly EventOf<`decision:${string}`>[] }) {
  const me = useMe()
  const decisions = useHoldfast<Meeting>().channel(`decision:${me.room}`)
  const proposals = useMemo(() => proposalsOf(events), [events])
  const [text, setText] = useState('')
  const [refused, setRefused] = useState('')
  const by = { id: me.id, name: me.name }

  const command = (name: string, input: object) => {
    setRefused('')
    decisions.command(name, { ...input, by }).catch((error: Error) => setRefused(error.message))
  }
  const propose = (event: FormEvent) => {
    event.preventDefault()
    if (text.trim()) command('propose', { text: text.trim() })
    setText('')
  }

  return (
    <>
      <ol className="proposals" aria-label="Proposals">
        {proposals.length === 0 && <li className="empty">Nothing is proposed yet. Two who agree decide.</li>}
        {proposals.map(({ id, text, by: from, agreed, state }) => (
          <li key={id} className={state}>
            <p className="by">
              <b>{from.name}</b> proposes <span className={`badge ${state}`}>{state}</span>
            </p>
            <p>{text}</p>
            <p className="by">agreed: {agreed.map(({ name }) => name).join(', ')}</p>
            {state === 'open' && (
              <p className="acts">
                {agreed.some(each => each.id === me.id) ? (
                  <span>waiting for another</span>
                ) : (
                  <button type="button" onClick={() => command('agree', { proposal: id })}>
                    Agree
                  </button>
                )}
                {from.id === me.id && (
                  <button type="button" onClick={() => command('withdraw', { proposal: id })}>
                    Withdraw
                  </button>
                )}
              </p>
            )}
          </li>
        ))}
      </ol>
      <p className="typing" role="status">
        {refused}
      </p>
      <form onSubmit={propose} className="send">
        <input
          value={text}
          onChange={event => setText(event.target.value)}
          maxLength={500}
          placeholder="Propose something"
          aria-label="Proposal"
        />
        <button type="submit" className="primary">
          Propose
        </button>
      </form>
    </>
  )
}

function proposalsOf(events: readonly EventOf<`decision:${string}`>[]): Proposal[] {
  const all = new Map<string, Proposal>()
  for (const event of events) {
    if (event.type === 'Proposed') {
      const { proposal: id, text, by } = event.data
      all.set(id, { id, text, by, agreed: [by], state: 'open' })
      continue
    }
    const open = all.get(event.data?.proposal)
    if (!open) continue
    if (event.type === 'Agreed') all.set(open.id, { ...open, agreed: [...open.agreed, event.data.by] })
    if (event.type === 'Decided') all.set(open.id, { ...open, state: 'decided' })
    if (event.type === 'Withdrawn') all.set(open.id, { ...open, state: 'withdrawn' })
  }
  return [...all.values()]
}
