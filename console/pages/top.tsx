import { useCallback, useEffect, useRef, useState } from 'react'
import type { Top } from '../../src/console/wire.ts'
import { Card, Heading, Note } from '../parts/card.tsx'
import { bytes, count, plural, rate } from '../parts/format.ts'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { routeTo } from '../state/address.ts'
import { useAsk } from '../state/hooks.ts'
import { refine } from '../state/route.ts'

type Phase = { kind: 'rest' } | { kind: 'asking' } | { kind: 'failed'; says: string }

/** Asked by a person, each time: it costs every node some work for as long as it counts. */
export function TopPage({ query }: { query: URLSearchParams }) {
  const ask = useAsk()
  const [seconds, setSeconds] = useState(2)
  const [phase, setPhase] = useState<Phase>({ kind: 'rest' })
  const [top, setTop] = useState<Top | undefined>()
  const askNow = useCallback(
    async (length: number) => {
      setPhase({ kind: 'asking' })
      const outcome = await ask('top', { seconds: length })
      if (outcome.kind === 'failure') return setPhase({ kind: 'failed', says: outcome.failure.message })
      setTop(outcome.body)
      setPhase({ kind: 'rest' })
    },
    [ask],
  )
  // Whoever came here by "Ask the nodes" has asked already. Taken out of the address, so that a reload does not ask again.
  const wished = useRef(query.get('ask') === 'now')
  useEffect(() => {
    if (!wished.current) return
    wished.current = false
    refine('top', {})
    void askNow(2)
  }, [askNow])
  return (
    <>
      <Heading title="Who is hit?">
        Every node counts for a moment what passes through it, in bounded memory: small ones may be missing.
      </Heading>
      <div className="form">
        <label className="field">
          <span>Count for</span>
          <select value={seconds} onChange={event => setSeconds(Number(event.target.value))}>
            {[1, 2, 5, 10].map(each => (
              <option key={each} value={each}>
                {plural(each, 'second')}
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          className="primary"
          data-search
          disabled={phase.kind === 'asking'}
          onClick={() => void askNow(seconds)}
        >
          {phase.kind === 'asking' ? 'The nodes count …' : 'Ask the nodes'}
        </button>
      </div>
      {phase.kind === 'failed' ? (
        <Note level="bad" alert>
          No answer: {phase.says}.
        </Note>
      ) : null}
      {top ? <Answer top={top} /> : <p className="empty">Nobody has asked yet.</p>}
    </>
  )
}

function Answer({ top }: { top: Top }) {
  return (
    <>
      <p role="status">
        Counted for {plural(top.seconds, 'second')} by {top.nodes.join(', ')}, <Time at={top.time} />.
      </p>
      {top.silent.length === 0 ? null : (
        <Note level="warn">Did not answer, so nothing of theirs is here: {top.silent.join(', ')}.</Note>
      )}
      <Card title="Channels">
        <Table
          caption="Channels by deliveries"
          rows={top.channels}
          keyOf={({ channel }) => channel}
          empty="No channel had a publication or a subscriber."
          columns={[
            {
              name: 'Channel',
              kind: 'name',
              cell: ({ channel }) => <a href={routeTo('tail', { channel })}>{channel}</a>,
            },
            { name: 'Delivered', kind: 'number', cell: ({ deliveries }) => rate(deliveries) },
            {
              name: 'Published',
              kind: 'number',
              cell: ({ publications, error }) => (
                <span title={error > 0 ? `up to ${rate(error)} more` : undefined}>
                  {error > 0 ? '≥ ' : ''}
                  {rate(publications)}
                </span>
              ),
            },
            { name: 'Subscribers', kind: 'number', cell: ({ subscribers }) => count(subscribers) },
          ]}
        />
      </Card>
      <Card title="Users">
        <Table
          caption="Users by what they do and what waits for them"
          rows={top.users}
          keyOf={({ user }) => user}
          empty="Nobody is connected."
          columns={[
            {
              name: 'User',
              kind: 'name',
              cell: ({ user }) => (user === '' ? <span className="muted">anonymous</span> : user),
            },
            { name: 'Published', kind: 'number', cell: ({ publications }) => rate(publications) },
            { name: 'Connections', kind: 'number', cell: ({ connections }) => count(connections) },
            { name: 'Subscriptions', kind: 'number', cell: ({ subscriptions }) => count(subscriptions) },
            {
              name: 'Waits for its sockets',
              kind: 'number',
              cell: ({ mailboxBytes }) => bytes(mailboxBytes),
            },
          ]}
        />
      </Card>
    </>
  )
}
