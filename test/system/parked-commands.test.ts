import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createOperations } from '../../src/durable/index.ts'
import { holdfast } from '../support/command.ts'
import { writeDelivery } from '../support/deliveries.ts'
import { type TestLedger, testLedger } from '../support/ledger.ts'

let db: TestLedger
let env: Record<string, string>
const ids: number[] = []
const eventIds: string[] = []

beforeAll(async () => {
  db = await testLedger()
  env = { DATABASE_URL: db.url }
  for (let n = 1; n <= 6; n++) {
    const id = `018f0000-0000-7000-8000-00000000000${n}`
    await db.ledgers[0].append({ channel: 'order:7', type: 'Paid', data: `{"cents":${n}}`, id })
    eventIds.push(id)
  }
  await db.sql`select holdfast.declare_group('receipts', 'ordered', '{order}', 'beginning')`
  for (const [offset, state] of [
    [1, 'parked'],
    [2, 'waiting'],
    [3, 'waiting'],
  ] as const)
    ids.push(await writeDelivery(db.sql, { consumer: 'group/receipts', channel: 'order:7', offset, state }))
  for (const offset of [4, 5, 6])
    ids.push(
      await writeDelivery(db.sql, {
        consumer: 'rule/mail',
        channel: 'order:7',
        offset,
        reason: 'smtp: down',
      }),
    )
})
afterAll(() => db.close())

const state = async (id: number) => (await createOperations(db.sql).deliveries.inspect(id))?.delivery.state

describe('holdfast parked', () => {
  it('lists for people and for programs', async () => {
    const people = await holdfast(['parked', 'list', '--limit', 2], env)
    expect(people.stdout).toMatch(/^ID\s+CONSUMER\s+CHANNEL\s+OFFSET/)
    expect(people.stdout).toMatch(
      new RegExp(`\\n${ids[0]}\\s+group/receipts\\s+order:7\\s+1\\s+Paid.*broken`),
    )
    expect(people.stdout).toMatch(/4 in all; go on with --after \d+/)
    const found = await holdfast(
      ['parked', 'list', '--parked-for', 'SMTP', '--older-than', '0s', '--json'],
      env,
    )
    expect(found.json()).toMatchObject({
      count: 3,
      deliveries: [{ offset: 4 }, { offset: 5 }, { offset: 6 }],
    })
    const none = await holdfast(['parked', 'list', '--namespace', 'chat'], env)
    expect(none.stdout).toBe('nothing that is parked matches\n')
  })

  it('shows one with its event and what waits behind it', async () => {
    const { stdout } = await holdfast(['parked', 'inspect', ids[0] ?? 0], env)
    expect(stdout).toMatch(/data\s+\{"cents":1\}/)
    expect(stdout).toMatch(/behind it\s+2 events wait: offsets 2, 3/)
    const json = await holdfast(['parked', 'inspect', ids[0] ?? 0, '--json'], env)
    expect(json.json()).toMatchObject({ delivery: { id: ids[0] }, event: { data: '{"cents":1}' } })
    expect(await holdfast(['parked', 'inspect', 99999], env)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no delivery 99999[\s\S]*parked list/),
    })
  })

  it.each([
    ['nothing selected', ['redrive'], /which deliveries\?/],
    ['two ways of selecting', ['redrive', 1, '--all'], /expected ids, or options/],
    ['no confirmation', ['redrive', 1], /confirmed[\s\S]*--yes/],
    ['an id that is none', ['redrive', 'x'], /whole number.*"x"/],
    ['an age that is none', ['list', '--older-than', '1y'], /expected an age.*"1y"/],
    ['no reason', ['discard', 1, '--yes'], /required option '--reason/],
    ['an empty reason', ['discard', 1, '--yes', '--reason', ' '], /expected a reason/],
    ['an order of no channel', ['redrive', '--all', '--in-order', '--yes'], /--in-order goes with --channel/],
    [
      'an order and a type',
      ['redrive', '--channel', 'a:1', '--type', 'T', '--in-order'],
      /--in-order goes with/,
    ],
  ])('refuses %s, and changes nothing', async (_, args, message) => {
    const result = await holdfast(['parked', ...args], env)
    expect(result.code).not.toBe(0)
    expect(result.stderr).toMatch(message)
    expect(await state(ids[0] ?? 0)).toBe('parked')
  })

  it('shows before it acts, acts once, and records who', async () => {
    const many = ['parked', 'redrive', '--consumer', 'rule/mail']
    const preview = await holdfast([...many, '--preview'], env)
    expect(preview.stdout).toMatch(/3\s+rule\/mail\s+smtp: down[\s\S]*3 parked deliveries, which are:/)
    expect(await state(ids[3] ?? 0)).toBe('parked')
    const one = await holdfast(
      ['parked', 'discard', ids[5] ?? 0, '--reason', 'sent by hand', '--by', 'anna', '--yes', '--json'],
      env,
    )
    expect(one.json()).toEqual({ changed: 1, notParked: 0 })
    const done = await holdfast([...many, '--yes', '--by', 'ben'], env)
    expect(done.stdout).toMatch(/\n2 deliveries set free\n$/)
    const again = await holdfast(['parked', 'redrive', ids[3] ?? 0, ids[4] ?? 0, '--yes'], env)
    expect(again.stdout).toMatch(/0 deliveries set free; 2 were not parked any more/)
    const channel = await holdfast(['parked', 'redrive', '--channel', 'order:7', '--in-order', '--yes'], env)
    expect(channel.stdout).toMatch(/\n1 delivery set free\n$/)
    expect(await Promise.all(ids.map(state))).toEqual([
      ...['retrying', 'waiting', 'waiting', 'queued', 'queued', 'discarded'],
    ])
    const acts = await db.sql`select actor, act, reason from holdfast.acts where actor <> 'root' order by id`
    expect(acts.slice(0, 3)).toEqual([
      { actor: 'anna', act: 'discard', reason: 'sent by hand' },
      { actor: 'ben', act: 'redrive', reason: null },
      { actor: 'ben', act: 'redrive', reason: null },
    ])
  })
})

describe('holdfast deliveries', () => {
  it('tells what has become of an event, by id and by place', async () => {
    const byId = await holdfast(['deliveries', eventIds[5] ?? ''], env)
    expect(byId.stdout).toMatch(/event\s+order:7 6, Paid, id 018f0000-0000-7000-8000-000000000006/)
    expect(byId.stdout).toMatch(/ledger\s+in the ledger/)
    expect(byId.stdout).toMatch(/group\/receipts\s+pending/)
    expect(byId.stdout).toMatch(/rule\/mail\s+discarded.*anna\s+sent by hand/)
    expect(byId.stdout).toMatch(/anna\s+discard\s+delivery \d+\s+sent by hand/)
    const byPlace = await holdfast(['deliveries', 'order:7', 1, '--json'], env)
    expect(byPlace.json()).toMatchObject([
      {
        eventId: eventIds[0],
        ledger: 'recorded',
        consumers: [{ consumer: 'group/receipts', state: 'retrying' }],
      },
    ])
  })

  it.each([
    [['order:7', 9], 1, /order:7 has no offset 9/],
    [['018f0000-0000-7000-8000-0000000000ff'], 1, /no event 018f/],
    [['order:7'], 2, /is no event’s id[\s\S]*give the offset/],
  ])('says of %j that there is none', async (args, code, message) => {
    expect(await holdfast(['deliveries', ...args], env)).toMatchObject({
      code,
      stderr: expect.stringMatching(message),
    })
  })
})

describe('holdfast erase and holdfast retention status', () => {
  it('erase an event and say what is left to do, and show who holds what', async () => {
    const place = ['erase', 'order:7', 2, '--reason', 'request 2291']
    expect(await holdfast(place, env)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--yes/) })
    const erased = await holdfast([...place, '--yes', '--by', 'anna'], env)
    expect(erased.stdout).toMatch(/order:7 2: Paid[\s\S]*erased from the ledger[\s\S]*no Redis is configured/)
    const again = await holdfast([...place, '--yes', '--json'], { ...env, REDIS_URL: inject('redisUrl') })
    expect(again.json()).toEqual({
      ...{ channel: 'order:7', offset: 2, id: eventIds[1], already: true, redis: 'removed' },
    })
    const away = await holdfast([...place, '--yes'], { ...env, REDIS_URL: 'redis://127.0.0.1:1' })
    expect(away.stdout).toMatch(/had been erased before[\s\S]*Redis can’t be reached/)
    const missing = await holdfast(['erase', 'order:7', 70, '--reason', 'x', '--yes'], env)
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/order:7 has no event 70/) })
    const story = await holdfast(['deliveries', 'order:7', 2], env)
    expect(story.stdout).toMatch(/erased: its place is in the ledger[\s\S]*anna\s+erase.*request 2291/)
  })

  it('show what retention would remove and who holds it', async () => {
    const file = new URL('./fixtures/kept.json', import.meta.url)
    const config = { ...env, HOLDFAST_CONFIG: file.pathname }
    const { stdout } = await holdfast(['retention', 'status'], config)
    expect(stdout).toMatch(/order\s+2 events a channel\s+1\s+4\s+3, see below/)
    expect(stdout).toMatch(/order\s+group\/receipts\s+1\s+20\d\d-/)
    const json = await holdfast(['retention', 'status', '--json'], config)
    expect(json.json()).toMatchObject([{ namespace: 'order', due: { channels: 1, events: 4 } }])
    const none = await holdfast(['retention', 'status'], env)
    expect(none.stdout).toMatch(/no durable namespace/)
  })
})
