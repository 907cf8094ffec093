import type { EventStoryView } from '../../src/console/wire.ts'
import { Card, Facts, Heading, Note } from '../parts/card.tsx'
import { Copy } from '../parts/copy.tsx'
import { count, plural } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { AskEvent } from '../parts/questions.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'

export function EventPage({ query }: { query: URLSearchParams }) {
  const id = query.get('id') ?? ''
  const channel = query.get('channel') ?? ''
  const offset = query.get('offset') ?? ''
  const given = id !== '' ? id : channel === '' ? '' : `${channel}@${offset}`
  return (
    <>
      <Heading title="What happened to this one event?">
        From its recording to every group, rule and person that had to do with it.
      </Heading>
      <AskEvent key={given} given={given} />
      {given === '' ? null : (
        <Stories key={`story ${given}`} wish={id === '' ? { channel, offset } : { id }} />
      )}
    </>
  )
}

function Stories({ wish }: { wish: Record<string, string> }) {
  const reading = useReading('event', { wish, everyMs: 3_000 })
  return (
    <Answered reading={reading}>
      {({ stories }) => (
        <Known part={stories}>
          {all =>
            all.length === 0 ? (
              <Card title="Never recorded" level="warn">
                <p>
                  The ledger has no such event, and never had one in this epoch. If its append was
                  acknowledged, this is a loss: see the last section of <code>docs/RUNBOOK.md</code> on the
                  ledger that has gone back in time.
                </p>
              </Card>
            ) : (
              all.map(story => (
                <Story
                  key={`${story.channel} ${story.offset}`}
                  story={story}
                  whole={stories.source === 'postgres'}
                />
              ))
            )
          }
        </Known>
      )}
    </Answered>
  )
}

const ledgerWords: Readonly<Record<EventStoryView['ledger'], readonly [Level, string]>> = {
  recorded: ['ok', 'recorded in the ledger'],
  erased: ['warn', 'recorded, and erased on request'],
  removed: ['info', 'removed by retention'],
}

/** `whole`: by the ledger. The mirror has the event, and knows nothing of what became of it. */
function Story({ story, whole }: { story: EventStoryView; whole: boolean }) {
  const [level, words] = ledgerWords[story.ledger]
  return (
    <>
      <Card title={`${story.channel}, offset ${story.offset}`}>
        <Facts
          of={[
            [
              'Ledger',
              <Status key="ledger" level={level}>
                {words}
              </Status>,
            ],
            ['Recorded', <Time key="time" at={story.recorded} />],
            ['Type', story.type === null ? '–' : <code key="type">{story.type}</code>],
            [
              'Id',
              story.eventId === null ? (
                '–'
              ) : (
                <span key="id" className="row">
                  <code>{story.eventId}</code>
                  <Copy text={() => story.eventId ?? ''} />
                </span>
              ),
            ],
            [
              'Place',
              whole ? `partition ${story.partition}, position ${count(story.position)}` : 'not known',
            ],
            ['Mirror in Redis', mirrorWord(story.mirrored)],
            [
              'Subscribers now',
              story.subscribers === null ? 'not known' : plural(story.subscribers, 'subscriber'),
            ],
            [
              'Around it',
              <a
                key="around"
                href={routeTo('tail', { channel: story.channel, from: Math.max(story.offset - 6, 0) })}
              >
                tail the channel from five events before
              </a>,
            ],
          ]}
        />
        {story.data === null ? null : (
          <details>
            <summary>Its data</summary>
            <pre>{pretty(story.data)}</pre>
            <Copy text={() => story.data ?? ''} label="Copy the data" />
          </details>
        )}
      </Card>
      <Card title="Groups and rules">
        {whole ? <Consumers story={story} /> : <Note level="unknown">Not known. Source: Postgres.</Note>}
      </Card>
      {story.acts.length === 0 ? null : (
        <Card title="What people did to it">
          <Table
            caption="Acts"
            rows={story.acts}
            keyOf={({ time, act }) => `${time} ${act}`}
            empty=""
            columns={[
              { name: 'When', cell: ({ time }) => <Time at={time} /> },
              { name: 'Who', cell: ({ actor }) => actor },
              { name: 'What', cell: ({ act }) => act },
              { name: 'Why', kind: 'name', cell: ({ reason }) => reason ?? '' },
            ]}
          />
        </Card>
      )}
    </>
  )
}

function Consumers({ story }: { story: EventStoryView }) {
  return (
    <Table
      caption="What became of it, by group and rule"
      rows={story.consumers}
      keyOf={({ consumer }) => consumer}
      empty="No group and no rule wants this event."
      columns={[
        { name: 'Consumer', kind: 'name', cell: ({ consumer }) => consumer },
        {
          name: 'State',
          cell: ({ state, delivery }) => (
            <Status level={stateLevel(state)}>
              {state === 'parked' && delivery !== null ? (
                <a href={routeTo('parked', { channel: story.channel })}>parked as {delivery}</a>
              ) : (
                state
              )}
            </Status>
          ),
        },
        { name: 'Attempts', kind: 'number', cell: ({ attempts }) => count(attempts) },
        { name: 'Reason', kind: 'name', cell: ({ reason }) => reason ?? '' },
        { name: 'Since', cell: ({ updated }) => <Time at={updated} /> },
        { name: 'Due', cell: ({ due }) => (due === null ? '' : <Time at={due} brief />) },
        { name: 'By', cell: ({ actor }) => actor ?? '' },
      ]}
    />
  )
}

function mirrorWord(mirrored: boolean | null): string {
  if (mirrored === null) return 'not known'
  return mirrored ? 'has passed its position' : 'has not reached it; nodes read the ledger'
}

function stateLevel(state: string): Level {
  if (state === 'parked') return 'bad'
  if (['retrying', 'waiting', 'paused'].includes(state)) return 'warn'
  return ['done', 'settled'].includes(state) ? 'ok' : 'info'
}

/** Cut data is no JSON any more, and is shown as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
