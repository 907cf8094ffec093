import { type FormEvent, useEffect, useState, useSyncExternalStore } from 'react'
import { Heading, Note } from '../parts/card.tsx'
import { TailRows } from '../parts/tail-rows.tsx'
import { refine } from '../state/route.ts'
import { useSession } from '../state/session.tsx'
import { Tail, type TailFrom } from '../state/tail.ts'

const begins = [
  ['latest', 'the latest 50, then live'],
  ['live', 'now'],
  ['start', 'its oldest event'],
  ['offset', 'an offset'],
] as const

export function TailPage({ query }: { query: URLSearchParams }) {
  const { me } = useSession()
  const channel = query.get('channel') ?? ''
  const from = query.get('from') ?? 'latest'
  return (
    <>
      <Heading title="Tail a channel">
        Over the ordinary socket, as a client gets it.
        {me.open ? null : ' Who tails what stands in the audit log.'}
      </Heading>
      {me.tail ? (
        <>
          <Ask key={`ask ${channel} ${from}`} channel={channel} from={from} />
          {channel === '' ? (
            <p className="empty">Name a channel. “Who is hit?” lists those with traffic.</p>
          ) : (
            <Running key={`${channel} ${from}`} channel={channel} from={fromOf(from)} />
          )}
        </>
      ) : (
        <Note level="info">
          This console listens where clients do not, so there is no socket to tail over. Open the console on
          the address that clients use, or run <code>holdfast</code> on the command line.
        </Note>
      )}
    </>
  )
}

function fromOf(text: string): TailFrom {
  if (text === 'live' || text === 'start' || text === 'latest') return text
  return /^\d+$/.test(text) ? Number(text) : 'latest'
}

function Ask({ channel, from }: { channel: string; from: string }) {
  const [way, setWay] = useState(/^\d+$/.test(from) ? 'offset' : from)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    refine('tail', {
      channel: String(form.get('channel')).trim(),
      from: way === 'offset' ? String(form.get('offset') ?? '0') : way,
    })
  }
  return (
    <form className="form" onSubmit={submit}>
      <label className="field wide">
        <span>Channel</span>
        <input
          name="channel"
          data-search
          required
          defaultValue={channel}
          placeholder="order:7"
          spellCheck={false}
        />
      </label>
      <label className="field">
        <span>Begin with</span>
        <select value={way} onChange={event => setWay(event.target.value)}>
          {begins.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {way === 'offset' ? (
        <label className="field">
          <span>After offset</span>
          <input
            name="offset"
            type="number"
            min="0"
            required
            defaultValue={/^\d+$/.test(from) ? from : '0'}
          />
        </label>
      ) : null}
      <button type="submit" className="primary">
        Tail
      </button>
    </form>
  )
}

function Running({ channel, from }: { channel: string; from: TailFrom }) {
  const { api } = useSession()
  const [tail, setTail] = useState<Tail | undefined>()
  useEffect(() => {
    const made = new Tail({ origin: location.origin, token: api.token, channel, from })
    setTail(made)
    return () => made.close()
  }, [api, channel, from])
  return tail ? <Watched tail={tail} channel={channel} /> : null
}

function Watched({ tail, channel }: { tail: Tail; channel: string }) {
  const view = useSyncExternalStore(tail.watch, tail.view)
  return (
    <>
      {view.notes.map(note => (
        <Note key={note} level={view.state === 'ended' ? 'bad' : 'warn'}>
          {note}
        </Note>
      ))}
      <TailRows view={view} channel={channel} />
    </>
  )
}
