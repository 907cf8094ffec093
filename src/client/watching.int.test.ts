import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Script, type ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import {
  type Client,
  codes,
  createClient,
  HoldfastClientError,
  liveTable,
  type PresenceChange,
  type PresenceOptions,
  type ReadTable,
} from './index.ts'
import { PresentUsers } from './present-users.ts'
import { TableRows } from './table-rows.ts'

let script: Script
let node: ScriptedNode
let client: Client
let errors: unknown[]

beforeEach(async () => {
  script = new Script()
  node = await script.node()
  errors = []
  client = createClient(node.url, {
    reconnectDelayMs: { min: 1, max: 20 },
    timeoutMs: 5_000,
    onError: error => errors.push(error),
  })
  await client.connect()
})
afterEach(async () => {
  client.disconnect()
  await script.close()
})

describe('who is in a channel', () => {
  const info = (user: string, tab: number) => ({ user, client: `${user}-${tab}` })
  const here = (...infos: { user: string; client: string }[]) =>
    Object.fromEntries(infos.map(each => [each.client, each]))
  const names = (users: readonly { readonly user: string }[]) => users.map(({ user }) => user)

  function watch(options: PresenceOptions = {}) {
    const changes: {
      users: string[]
      joined: string[]
      left: string[]
      tabs: number[]
      compared: boolean
    }[] = []
    const watch = client.channel('room:1').presence.watch(
      ({ users, joined, left, compared }: PresenceChange) => {
        const tabs = users.map(({ clients }) => clients.length)
        changes.push({ users: names(users), joined: names(joined), left: names(left), tabs, compared })
      },
      { graceMs: 0, ...options },
    )
    const told = async (count: number) => {
      await until(`${count} changes are told`, () => changes.length >= count)
      return changes[count - 1]
    }
    return { watch, changes, told }
  }

  it('is told once as it is, then by those who come and go, one user for all of its tabs', async () => {
    script.present = here(info('anna', 1), info('ben', 1), info('anna', 2))
    const { watch: own, changes, told } = watch()
    await own.ready()
    expect(names(own.users)).toEqual(['anna', 'ben'])
    expect(await told(1)).toMatchObject({ joined: ['anna', 'ben'], left: [], tabs: [2, 1], compared: true })
    node.send('room:1', { join: { info: info('cleo', 1) } })
    expect(await told(2)).toMatchObject({ users: ['anna', 'ben', 'cleo'], joined: ['cleo'], compared: false })
    node.send('room:1', { leave: { info: info('anna', 1) } })
    expect(await told(3)).toMatchObject({
      users: ['anna', 'ben', 'cleo'],
      joined: [],
      left: [],
      tabs: [1, 1, 1],
    })
    node.send('room:1', { leave: { info: info('anna', 2) } })
    expect(await told(4)).toMatchObject({ users: ['ben', 'cleo'], left: ['anna'] })
    // What is known already is no change.
    node.send('room:1', { join: { info: info('ben', 1) } })
    node.send('room:1', { leave: { info: info('dora', 1) } })
    node.send('room:1', { join: { info: info('dora', 1) } })
    expect(await told(5)).toMatchObject({ joined: ['dora'] })
    expect(changes).toHaveLength(5)
    own.stop()
    expect(script.subscribes).toEqual(['room:1'])
    await until('it has let go', () => script.unsubscribes.length === 1)
  })

  it('comes right after a lost connection, and when the node reaches the others again', async () => {
    script.state = { realtime: 'ready', durable: 'ready' }
    script.present = here(info('anna', 1), info('ben', 1))
    const { told } = watch()
    await told(1)
    await until('the node has said how it is', () => client.status.server !== undefined)
    script.present = here(info('ben', 1), info('cleo', 1))
    node.cut()
    expect(await told(2)).toEqual({
      users: ['ben', 'cleo'],
      joined: ['cleo'],
      left: ['anna'],
      tabs: [1, 1],
      compared: true,
    })
    await until('the node has said how it is', () => client.status.server !== undefined)
    node.message({ holdfast: { state: { realtime: 'local', durable: 'ready' } } })
    await until('it is degraded', () => client.status.state === 'degraded')
    // Connected anew to a node without the others: what it does not know of has not left.
    script.state = { realtime: 'local', durable: 'ready' }
    script.present = here(info('cleo', 1))
    const before = script.presences
    node.cut()
    await until('it was asked', () => script.presences > before && client.status.state === 'degraded')
    const asked = script.presences
    script.present = here(info('ben', 1), info('cleo', 1), info('dora', 1))
    node.message({ holdfast: { state: { realtime: 'ready', durable: 'ready' } } })
    expect(await told(3)).toMatchObject({ joined: ['dora'], compared: true })
    expect(script.presences).toBe(asked + 1)
  })

  it('is compared now and then, and asked for again over temporary errors', async () => {
    let failures = 2
    script.presenceError = () =>
      failures-- > 0 ? { code: 100, message: 'not now', temporary: true } : undefined
    const { told, watch: own } = watch({ compareMs: 20 })
    await told(1)
    expect(errors).toMatchObject([{ code: 100 }, { code: 100 }])
    script.present = here(info('zoe', 1))
    expect(await told(2)).toMatchObject({ users: ['zoe'], left: ['ann'] })
    own.stop()
  })

  it('gives who loads the page again the time to come back', async () => {
    script.present = here(info('anna', 1), info('ben', 1))
    const { changes, told } = watch({ graceMs: 300 })
    await told(1)
    node.send('room:1', { leave: { info: info('anna', 1) } })
    expect(await told(2)).toMatchObject({ users: ['anna', 'ben'], left: [], tabs: [0, 1] })
    node.send('room:1', { join: { info: info('anna', 2) } })
    expect(await told(3)).toMatchObject({ users: ['anna', 'ben'], joined: [], tabs: [1, 1] })
    node.send('room:1', { leave: { info: info('ben', 1) } })
    expect((await told(5))?.left).toEqual(['ben'])
    expect(changes.flatMap(({ left }) => left)).toEqual(['ben'])
  })

  it('says why it cannot be told', async () => {
    script.presenceError = () => ({ code: 103, message: 'permission denied' })
    const ends: number[] = []
    const { watch: own } = watch({ onUnsubscribed: ({ code }) => ends.push(code) })
    await expect(own.ready()).rejects.toMatchObject({ code: codes.permissionDenied })
    expect(ends).toEqual([103])
    const ending = new AbortController()
    const { watch: other } = watch({ signal: ending.signal })
    ending.abort(new Error('enough'))
    await expect(other.ready()).rejects.toThrow('enough')
  })

  it('counts anonymous connections one by one, and what came while it was asked', () => {
    const present = new PresentUsers()
    present.asking()
    present.step('join', info('late', 1))
    present.step('leave', info('gone', 1))
    const change = present.answer(here(info('', 1), { user: '', client: 'other' }, info('gone', 1)))
    expect(change?.joined.map(({ key }) => key)).toEqual([' -1', ' other', 'gone'])
    expect(present.list.map(({ key }) => key)).toEqual(['late', ' -1', ' other', 'gone'])
    expect(present.away).toEqual(['gone'])
    const before = present.list
    expect(present.step('join', info('late', 1))).toEqual({ joined: [], left: [] })
    expect(present.list).toBe(before)
    expect(present.forget(['gone', 'late']).left.map(({ key }) => key)).toEqual(['gone'])
  })
})

describe('a live table', () => {
  type Row = { key: string; n: number }
  const told = (n: number, key: string, row: Row | null, build = 1) => ({
    pub: { data: { projection: 'totals', build, n, changes: [{ table: 'states', key: { key }, row }] } },
  })
  let rows: Row[]
  let build: number
  let reads: number
  let hold: Promise<void>
  let failure: () => unknown

  beforeEach(() => {
    rows = [
      { key: 'a', n: 1 },
      { key: 'b', n: 2 },
      { key: 'c', n: 3 },
    ]
    build = 1
    reads = 0
    hold = Promise.resolve()
    failure = () => undefined
  })

  /** Two rows a page. */
  const read: ReadTable<Row> = async ({ after }) => {
    reads++
    await hold
    const thrown = failure()
    if (thrown) throw thrown
    const from = Number(after ?? 0)
    const page = { build, rows: rows.slice(from, from + 2) }
    return from + 2 < rows.length ? { ...page, next: String(from + 2) } : page
  }

  const shown = (table: { view: { rows: readonly Row[] } }) =>
    table.view.rows.map(({ key, n }) => `${key}${n}`).join(' ')

  it('reads all pages, and applies what comes meanwhile and afterwards', async () => {
    let release = () => {}
    hold = new Promise<void>(resolve => {
      release = resolve
    })
    const table = liveTable<Row>(client, 'totals', { changes: 'live:totals', read })
    await until('it reads', () => reads === 1)
    node.send('live:totals', told(5, 'd', { key: 'd', n: 4 }))
    node.send('live:totals', told(6, 'a', null))
    release()
    await table.ready()
    await until('all is there', () => shown(table) === 'b2 c3 d4')
    const before = table.view
    node.send('live:totals', told(4, 'd', { key: 'd', n: 0 })) // overtaken by the one before
    node.send('live:totals', told(7, 'b', { key: 'b', n: 9 }))
    await until('it is told', () => shown(table) === 'b9 c3 d4')
    expect(table.view.rows).not.toBe(before.rows)
    expect(table.view).toMatchObject({ state: 'live', build: 1, truncated: false, error: undefined })
    node.send('live:totals', told(9, 'e', null))
    node.send('live:totals', told(8, 'e', { key: 'e', n: 5 })) // gone, before it is told that it came
    node.send('live:totals', told(11, 'c', { key: 'c', n: 8 }))
    await until('it is told', () => shown(table).includes('c8'))
    expect(shown(table)).toBe('b9 c8 d4')
    table.close()
    await until('it has ended', () => table.view.state === 'ended')
    expect(shown(table)).toBe('b9 c8 d4')
  })

  it('is read again when the node reaches the others again, unless the channel numbers', async () => {
    script.state = { realtime: 'ready', durable: 'ready' }
    script.unnumbered.add('live:totals')
    let numberedReads = 0
    const open = (changes: string, each: ReadTable<Row>) =>
      liveTable<Row>(client, 'totals', { changes, read: each })
    const table = open('live:totals', read)
    const numbered = open('live:numbered', async () => {
      numberedReads++
      return { build, rows }
    })
    await Promise.all([table.ready(), numbered.ready()])
    await until('the node has said how it is', () => client.status.server !== undefined)
    node.message({ holdfast: { state: { realtime: 'local', durable: 'ready' } } })
    await until('it is degraded', () => client.status.state === 'degraded')
    rows = [{ key: 'a', n: 7 }]
    node.message({ holdfast: { state: { realtime: 'ready', durable: 'ready' } } })
    await until('it shows what was told elsewhere', () => shown(table) === 'a7')
    // Once more: those who tell may have come back later.
    rows = [{ key: 'a', n: 8 }]
    await until('it shows that too', () => shown(table) === 'a8', 20_000)
    expect(numberedReads).toBe(1)
    table.close()
    numbered.close()
  }, 30_000)

  it('is read again where readers see another build, where something may be missing, and over failures', async () => {
    const views: string[] = []
    const table = liveTable<Row>(
      client,
      'totals',
      { changes: 'live:totals', read, order: (a, b) => b.n - a.n, where: ({ n }) => n < 100 },
      view => views.push(view.state),
    )
    await table.ready()
    await until('it is sorted', () => shown(table) === 'c3 b2 a1')
    rows = [{ key: 'x', n: 7 }]
    build = 2
    node.send('live:totals', { pub: { data: { projection: 'totals', build: 2, reset: true } } })
    await until('it shows the other build', () => shown(table) === 'x7' && table.view.build === 2)
    node.send('live:totals', told(9, 'x', { key: 'x', n: 100 }, 2))
    await until('it is no longer wanted', () => shown(table) === '')
    let failures = 2
    failure = () => (failures-- > 0 ? new Error('away') : undefined)
    build = 3
    node.send('live:totals', told(10, 'y', { key: 'y', n: 1 }, 3))
    await until('it was read at last', () => table.view.build === 3 && table.view.error === undefined)
    expect(shown(table)).toBe('x7')
    failure = () => new HoldfastClientError(codes.permissionDenied, 'not yours')
    build = 4
    node.send('live:totals', told(11, 'y', { key: 'y', n: 1 }, 4))
    await until('it has ended', () => table.view.state === 'ended')
    expect(table.view.error).toMatchObject({ code: codes.permissionDenied })
    expect(views).toContain('live')
  })

  it('stays the same list while nothing in it changes, and keeps a bounded number of those that are gone', async () => {
    const own = new TableRows<Row>({ maxRows: 10 })
    await own.read(async () => ({ build, rows }), new AbortController().signal)
    const gone = (n: number) => ({
      build,
      n,
      changes: [{ table: 'states', key: { key: `g${n}` }, row: null }],
    })
    const { list } = own
    for (let n = 1; n <= 2_000; n++) own.apply(gone(n))
    expect(own.list).toBe(list)
    const come = (n: number) => {
      const row = { key: `g${n}`, n }
      own.apply({ build, n: 0, changes: [{ table: 'states', key: { key: row.key }, row }] })
    }
    come(2_000)
    expect(own.list).toBe(list)
    // So long ago that nobody knows any more.
    come(1)
    expect(own.list).toHaveLength(4)
  })

  it('holds no more rows than it may', async () => {
    rows = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, n: i }))
    const table = liveTable<Row>(client, 'totals', { changes: 'live:totals', read, maxRows: 10 })
    await table.ready()
    expect(table.view.truncated).toBe(true)
    expect(reads).toBe(5)
    expect(table.view.rows).toHaveLength(10)
  })
})
