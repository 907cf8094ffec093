import { type FormEvent, useRef, useState } from 'react'
import type { TestMessageSent } from '../../src/console/wire.ts'
import { OperatorButton, ViewerNote } from '../parts/act.tsx'
import { Card, Heading, Note } from '../parts/card.tsx'
import { seconds } from '../parts/format.ts'
import { routeTo } from '../state/address.ts'
import { useAct, useReading } from '../state/hooks.ts'
import { useSession } from '../state/session.tsx'

type Phase =
  | { kind: 'rest' }
  | { kind: 'busy' }
  | { kind: 'failed'; says: string }
  | { kind: 'sent'; sent: TestMessageSent; channel: string }

export function SendPage({ query }: { query: URLSearchParams }) {
  const act = useAct()
  const { me } = useSession()
  const [channel, setChannel] = useState(query.get('channel') ?? '')
  const [type, setType] = useState('console.test')
  const [text, setText] = useState('{ "hello": "from the console" }')
  const [phase, setPhase] = useState<Phase>({ kind: 'rest' })
  const sending = useRef(false)
  const namespaces = useReading('namespaces', { everyMs: 10_000 })
  const namespace = namespaces.data?.namespaces.find(({ name }) => name === channel.split(':')[0])
  const durable = namespace?.tier === 'durable'

  const send = async () => {
    const data = parsed(text)
    if (data.kind === 'wrong') return setPhase({ kind: 'failed', says: data.says })
    setPhase({ kind: 'busy' })
    const typed = type.trim() === '' ? {} : { type: type.trim() }
    const outcome = await act('message', { channel: channel.trim(), ...typed, data: data.value })
    if (outcome.kind === 'failure') setPhase({ kind: 'failed', says: outcome.failure.message })
    else setPhase({ kind: 'sent', sent: outcome.body, channel: channel.trim() })
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    // A key that is held or a second click must not append what stays once more.
    if (me.role !== 'operator' || sending.current) return
    sending.current = true
    void send().finally(() => {
      sending.current = false
    })
  }
  return (
    <>
      <Heading title="Send a test message">
        As the server, past permissions of clients and hooks. In a durable channel it is recorded like any
        event and stays.
      </Heading>
      <ViewerNote />
      <Card title="Message">
        <form className="stack" onSubmit={submit}>
          <div className="form">
            <label className="field wide">
              <span>Channel</span>
              <input
                data-search
                required
                value={channel}
                list="namespaces"
                placeholder="room:test"
                spellCheck={false}
                onChange={event => setChannel(event.target.value)}
              />
            </label>
            <datalist id="namespaces">
              {(namespaces.data?.namespaces ?? []).map(({ name }) => (
                <option key={name} value={`${name}:test`} />
              ))}
            </datalist>
            <label className="field wide">
              <span>Type (of an event)</span>
              <input value={type} spellCheck={false} onChange={event => setType(event.target.value)} />
            </label>
          </div>
          <p className="muted small" role="status">
            {channel === '' || !namespaces.data
              ? 'The namespace decides the tier.'
              : namespace
                ? durable
                  ? 'Durable: this appends an event that stays, and groups and rules will handle it.'
                  : 'Realtime: this reaches who is subscribed now.'
                : 'This namespace is not configured.'}
          </p>
          <label className="field">
            <span>Data (JSON)</span>
            <textarea value={text} spellCheck={false} onChange={event => setText(event.target.value)} />
          </label>
          <div>
            <OperatorButton kind="primary" submits>
              {phase.kind === 'busy' ? 'Sending …' : durable ? 'Append it' : 'Send it'}
            </OperatorButton>
          </div>
          {phase.kind === 'failed' ? (
            <Note level="bad" alert>
              {phase.says}
            </Note>
          ) : null}
          {phase.kind === 'sent' ? (
            <Note level="ok" alert>
              {phase.sent.says} It took {seconds(phase.sent.tookMs / 1_000)}.{' '}
              {phase.sent.offset === null ? null : (
                <a href={routeTo('event', { channel: phase.channel, offset: phase.sent.offset })}>
                  What became of it
                </a>
              )}
            </Note>
          ) : null}
        </form>
      </Card>
    </>
  )
}

type Parsed = { kind: 'data'; value: unknown } | { kind: 'wrong'; says: string }

function parsed(text: string): Parsed {
  try {
    return { kind: 'data', value: JSON.parse(text) }
  } catch (error) {
    return { kind: 'wrong', says: `The data is no JSON: ${error instanceof Error ? error.message : error}` }
  }
}
