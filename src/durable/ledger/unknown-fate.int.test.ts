import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId, type StoredEvent } from '../../domain/index.ts'

let db: TestLedger

beforeAll(async () => {
  db = await testLedger()
})
afterAll(() => db.close())

/** Ends the backends that appends run on, whatever they are doing. */
const cutAppends = () =>
  db.sql`select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'holdfast-append'`

test('with connections cut in the middle each acknowledged event is there once and none is doubled', async () => {
  const [a, b] = db.ledgers
  const heard: StoredEvent[] = []
  const stops = db.ledgers.map(ledger => ledger.onStored(events => heard.push(...events)))
  const acknowledged = new Map<string, number>()
  const unknown: string[] = []
  let cuts = 0
  let duplicates = 0
  const writer = async (ledger: typeof a, worker: number) => {
    for (let i = 0; i < 150; i++) {
      const id = newEventId()
      try {
        const outcome = await ledger.append({
          channel: `order:${worker % 4}`,
          type: 'T',
          data: `${worker}.${i}`,
          id,
        })
        if (outcome.kind === 'duplicate') duplicates++
        acknowledged.set(
          id,
          outcome.kind === 'stored'
            ? outcome.event.offset
            : outcome.kind === 'duplicate'
              ? outcome.offset
              : 0,
        )
      } catch {
        unknown.push(id)
      }
    }
  }
  const writers = Array.from({ length: 40 }, (_, worker) => writer(worker % 2 ? a : b, worker))
  let writing = true
  const killer = (async () => {
    while (writing) {
      const cut = await cutAppends()
      cuts += cut.length
    }
  })()
  // The killer gives way between its own round trips; the writers need an end of it to make progress for sure.
  await Promise.race([Promise.all(writers), until('enough are cut', () => cuts >= 60)])
  writing = false
  await killer
  await Promise.all(writers)
  for (const stop of stops) stop()

  const rows = await db.sql<
    { id: string; channel: string; offset: number }[]
  >`select id, channel, "offset" from holdfast.events`
  const byId = new Map(rows.map(row => [row.id, row.offset]))
  expect(byId.size).toBe(rows.length)
  for (const [id, offset] of acknowledged) expect([id, byId.get(id)]).toEqual([id, offset])
  for (const { id } of rows) expect(acknowledged.has(id) || unknown.includes(id)).toBe(true)
  const channels = Map.groupBy(rows, row => row.channel)
  for (const [, events] of channels) {
    expect(events.map(({ offset }) => offset).sort((x, y) => x - y)).toEqual(events.map((_, i) => i + 1))
  }
  // What was made known is what is there, each at most once, and everything that ended as newly stored.
  expect(new Set(heard.map(({ id }) => id)).size).toBe(heard.length)
  for (const event of heard) expect(byId.get(event.id)).toBe(event.offset)
  console.info(
    `${cuts} connections cut, ${acknowledged.size} acknowledged (${duplicates} after a lost answer), ${unknown.length} unknown`,
  )
  expect(cuts).toBeGreaterThan(10)
  expect(acknowledged.size).toBeGreaterThan(0)
}, 60_000)

test('an answer that is lost after the commit is asked for again, and the event is made known once', async () => {
  const proxy = await tcpProxy(db.url)
  const ledger = await db.open({ url: proxy.through(db.url), limits: { deadlineMs: 20_000 } })
  const heard: StoredEvent[] = []
  ledger.onStored(events => heard.push(...events))
  const channel = `lost:${newEventId()}`
  const headOf = async (name: string) => (await db.ledgers[0].channelHeads([name])).get(name)?.head
  const event = () => ({ channel, type: 'T', data: '"once"', id: newEventId() })
  // Twice, so that the statement is prepared: from now on the server speaks only after the commit.
  await ledger.append(event())
  await ledger.append(event())

  let [rounds, lost] = [0, 0]
  for (; lost < 20; rounds++) {
    expect(rounds).toBeLessThan(60)
    const offset = 2 * rounds + 3
    // Where the last answer was long in coming, Postgres is taken for unreachable for a moment.
    await until('it is reachable', () =>
      ledger.channelHeads([channel]).then(
        () => true,
        () => false,
      ),
    )
    proxy.loseAnswers()
    const pending = Promise.all([ledger.append(event()), ledger.append(event())])
    // Where somebody is slow, another answer is lost before, and over the next connection nobody can ask for anything.
    const committed = await within(2_000, async () => (await headOf(channel)) === offset + 1)
    proxy.answerAgain()
    const outcomes = await pending
    if (committed) {
      lost++
      expect(outcomes).toMatchObject([
        { kind: 'duplicate', offset },
        { kind: 'duplicate', offset: offset + 1 },
      ])
    } else expect(await headOf(channel)).toBe(offset + 1)
  }
  const { events } = await db.ledgers[0].readChannel(channel, { limit: 1_000 })
  expect(events).toHaveLength(2 * rounds + 2)
  expect(heard).toEqual(events)
  await ledger.close()
  await proxy.close()
})

test('a connection that has fallen silent is given up, and what was sent over it is not lost', async () => {
  const proxy = await tcpProxy(db.url)
  const ledger = await db.open({ url: proxy.through(db.url), limits: { deadlineMs: 20_000 } })
  const event = () => ({ channel: 'silent:1', type: 'T', data: '1', id: newEventId() })
  await ledger.append(event())
  await ledger.readChannel('silent:1', { limit: 1 })
  proxy.swallow({ connections: 'present' })
  const [read, outcome] = await Promise.all([
    ledger.readChannel('silent:1', { limit: 9 }).catch((error: unknown) => error),
    ledger.append(event()),
  ])
  expect(outcome).toMatchObject({ kind: 'stored', event: { offset: 2 } })
  expect(read).toMatchObject({ code: 'DEPENDENCY_TIMEOUT', remedy: 'retry_later' })
  expect(await ledger.readChannel('silent:1', { limit: 9 })).toMatchObject({ head: 2 })
  await ledger.close()
  await proxy.close()
})

/** Whether it comes true in time. */
async function within(limitMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  const limit = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > limit) return false
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return true
}
