import { type FormEvent, useState } from 'react'
import type { DeliveryView, ParkedFilter, ParkedWish } from '../../src/console/wire.ts'
import { OperatorButton, ViewerNote } from '../parts/act.tsx'
import { Bulk } from '../parts/bulk.tsx'
import { Card, Heading } from '../parts/card.tsx'
import { count, plural } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { routeTo, type Wish } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'
import { refine } from '../state/route.ts'

const texts = ['consumer', 'channel', 'namespace', 'type', 'reason'] as const
const labels: Readonly<Record<(typeof texts)[number], string>> = {
  consumer: 'Consumer',
  channel: 'Channel',
  namespace: 'Namespace',
  type: 'Type',
  reason: 'Reason contains',
}
const ages = [
  ['', 'of any age'],
  ['3600', 'older than an hour'],
  ['86400', 'older than a day'],
  ['604800', 'older than a week'],
] as const

export function ParkedPage({ query }: { query: URLSearchParams }) {
  const wish: Wish = Object.fromEntries(
    [...texts, 'olderThanSeconds'].map(name => [name, query.get(name) ?? undefined]),
  )
  const search = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    refine('parked', Object.fromEntries([...form].map(([name, value]) => [name, String(value).trim()])))
  }
  const key = JSON.stringify(wish)
  return (
    <>
      <Heading title="Parked deliveries">
        What a group or a rule gave up, with the reason. Mend the cause, then have them handled again; in an
        ordered group a channel waits behind its first.
      </Heading>
      <ViewerNote />
      <form className="form" key={key} onSubmit={search}>
        {texts.map((name, index) => (
          <label key={name} className="field">
            <span>{labels[name]}</span>
            <input
              name={name}
              data-search={index === 0 ? '' : undefined}
              defaultValue={wish[name]}
              placeholder={name === 'consumer' ? 'group/receipts' : undefined}
              spellCheck={false}
            />
          </label>
        ))}
        <label className="field">
          <span>Parked</span>
          <select name="olderThanSeconds" defaultValue={wish['olderThanSeconds']}>
            {ages.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" className="primary">
          Filter
        </button>
      </form>
      <Deliveries key={`deliveries ${key}`} wish={wish} />
    </>
  )
}

function filterOf({ olderThanSeconds, ...rest }: Wish): ParkedFilter {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return { ...given, ...(olderThanSeconds ? { olderThanSeconds: Number(olderThanSeconds) } : {}) }
}

function Deliveries({ wish }: { wish: Wish }) {
  const [after, setAfter] = useState<number | undefined>()
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [act, setAct] = useState<ParkedWish | undefined>()
  const reading = useReading('parked', { wish: { ...wish, after, limit: 50 }, everyMs: 3_000 })
  const close = () => {
    setAct(undefined)
    setChosen(new Set())
    reading.again()
  }
  return (
    <Card title="Parked">
      <Answered reading={reading}>
        {({ parked }) => (
          <Known part={parked}>
            {({ deliveries, count: all, next }) => (
              <>
                <div className="apart">
                  <span role="status">
                    {plural(all, 'delivery matches', 'deliveries match')}
                    {chosen.size === 0 ? '' : `, ${count(chosen.size)} chosen`}
                  </span>
                  {all === 0 ? null : (
                    <Buttons all={all} chosen={chosen} filter={filterOf(wish)} onWish={setAct} />
                  )}
                </div>
                <DeliveryTable deliveries={deliveries} chosen={chosen} onChoose={setChosen} />
                <div className="row">
                  {after === undefined ? null : (
                    <button type="button" onClick={() => setAfter(undefined)}>
                      First page
                    </button>
                  )}
                  {next === null ? null : (
                    <button type="button" onClick={() => setAfter(next)}>
                      Next page
                    </button>
                  )}
                </div>
              </>
            )}
          </Known>
        )}
      </Answered>
      {act ? <Bulk wish={act} onClose={close} /> : null}
    </Card>
  )
}

function Buttons({
  all,
  chosen,
  filter,
  onWish,
}: {
  all: number
  chosen: ReadonlySet<number>
  filter: ParkedFilter
  onWish: (wish: ParkedWish) => void
}) {
  const selection = chosen.size > 0 ? { ids: [...chosen] } : { filter }
  const which = chosen.size > 0 ? `the ${count(chosen.size)} chosen` : `all ${count(all)}`
  return (
    <div className="row">
      <OperatorButton kind="primary" onPress={() => onWish({ act: 'redrive', selection })}>
        Redrive {which} …
      </OperatorButton>
      <OperatorButton kind="danger" onPress={() => onWish({ act: 'discard', selection })}>
        Discard {which} …
      </OperatorButton>
    </div>
  )
}

function DeliveryTable({
  deliveries,
  chosen,
  onChoose,
}: {
  deliveries: readonly DeliveryView[]
  chosen: ReadonlySet<number>
  onChoose: (chosen: ReadonlySet<number>) => void
}) {
  const choose = (id: number) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    onChoose(next)
  }
  return (
    <Table
      caption="Parked deliveries"
      rows={deliveries}
      keyOf={({ id }) => id}
      empty="Nothing is parked that matches."
      columns={[
        {
          name: 'Choose',
          cell: ({ id }) => (
            <input
              type="checkbox"
              aria-label={`Choose ${id}`}
              checked={chosen.has(id)}
              onChange={() => choose(id)}
            />
          ),
        },
        { name: 'Consumer', kind: 'name', cell: ({ consumer }) => consumer },
        {
          name: 'Event',
          kind: 'name',
          cell: ({ channel, offset, eventType }) => (
            <>
              <a href={routeTo('event', { channel, offset })}>
                {channel}@{offset}
              </a>{' '}
              <span className="muted">{eventType}</span>
            </>
          ),
        },
        { name: 'Reason', kind: 'name', cell: ({ reason }) => reason ?? '' },
        { name: 'Attempts', kind: 'number', cell: ({ attempts }) => count(attempts) },
        { name: 'Parked', cell: ({ updated }) => <Time at={updated} /> },
        { name: 'Id', kind: 'number', cell: ({ id }) => id },
      ]}
    />
  )
}
