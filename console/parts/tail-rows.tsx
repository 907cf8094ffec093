import { memo, useDeferredValue, useState } from 'react'
import { routeTo } from '../state/address.ts'
import { mostRows, type TailRow, type TailView } from '../state/tail.ts'
import { Card } from './card.tsx'
import { Copy } from './copy.tsx'
import { clock, count, plural } from './format.ts'
import { type Level, Status } from './status.tsx'

const states: Readonly<Record<TailView['state'], readonly [Level, string]>> = {
  connecting: ['warn', 'connecting'],
  live: ['ok', 'live'],
  ended: ['bad', 'ended'],
}

export function TailRows({ view, channel }: { view: TailView; channel: string }) {
  /** What was there when somebody began to read. */
  const [held, setHeld] = useState<TailView | undefined>()
  const [filter, setFilter] = useState('')
  const wanted = useDeferredValue(filter.trim().toLowerCase())
  const shown = held ?? view
  const rows = wanted === '' ? shown.rows : shown.rows.filter(row => matches(row, wanted))
  const [level, word] = states[view.state]
  return (
    <Card
      title={channel}
      aside={<Status level={level}>{word}</Status>}
      footer={`The newest first. The newest ${count(mostRows)} are kept.`}
    >
      <div className="form">
        <label className="field wide">
          <span>Filter by type, data, id, offset or user</span>
          <input
            type="search"
            value={filter}
            spellCheck={false}
            onChange={event => setFilter(event.target.value)}
          />
        </label>
        <button
          type="button"
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held === undefined ? view : undefined)}
        >
          {held === undefined ? 'Pause' : `Go on (${count(view.seen - held.seen)} more)`}
        </button>
        <Copy
          text={() => rows.map(row => JSON.stringify(plain(row))).join('\n')}
          label="Copy what is shown"
        />
      </div>
      <p className="muted small">
        {plural(view.seen, 'message has come', 'messages have come')}, {count(rows.length)} shown
      </p>
      {rows.length === 0 ? (
        <p className="empty">{view.seen === 0 ? 'Nothing has come yet.' : 'Nothing matches the filter.'}</p>
      ) : (
        <ol className="tail" aria-label={`Messages of ${channel}`}>
          {rows.map(row => (
            <Row key={row.nth} row={row} />
          ))}
        </ol>
      )}
    </Card>
  )
}

function matches({ type, text, id, offset, info }: TailRow, wanted: string): boolean {
  return `${type} ${text} ${id ?? ''} ${offset ?? ''} ${info?.user ?? ''}`.toLowerCase().includes(wanted)
}

function plain({ channel, type, data, id, offset, time, info, tags }: TailRow) {
  return { channel, type, data, id, offset, time, info, tags }
}

const Row = memo(function Row({ row }: { row: TailRow }) {
  const { offset, type, time, id, info, text, channel } = row
  return (
    <li>
      <div className="row small">
        {offset === undefined ? null : id === undefined ? (
          <strong>{offset}</strong>
        ) : (
          <a href={routeTo('event', { channel, offset })}>
            <strong>{offset}</strong>
          </a>
        )}
        <span className="tag">{type}</span>
        {time === undefined ? null : (
          <time dateTime={new Date(time).toISOString()} title={new Date(time).toISOString()}>
            {clock(time, time)}
          </time>
        )}
        <span className="muted">
          {info === undefined ? 'server' : info.user === '' ? 'anonymous' : info.user}
        </span>
        <Copy text={() => JSON.stringify(plain(row))} label="Copy" />
      </div>
      <code>{text.length > 2_000 ? `${text.slice(0, 2_000)} …` : text}</code>
    </li>
  )
})
