import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { until } from '../support/until.ts'

let cluster: Cluster
let node: Node
let app: postgres.Sql
let env: Record<string, string>

/** What the server API says of the outbox. */
interface Outbox {
  readonly waiting: number
  readonly oldest_seconds: number
  readonly refused: number
  readonly rows: readonly { readonly id: number; readonly reason: string; readonly data: string }[]
  readonly next_after_id?: number
}

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, config: { outbox: { undeclaredSeconds: 0 } } })
  node = cluster.nodes[0] as Node
  app = postgres(cluster.databaseUrl, { max: 1 })
  env = { DATABASE_URL: cluster.databaseUrl }
})
afterAll(async () => {
  await app?.end()
  await cluster?.close()
})

const ids = async () =>
  (await app<{ id: string }[]>`select id from holdfast.outbox order by id`).map(row => row.id)
async function refuse(count: number): Promise<void> {
  const before = (await ids()).length
  for (let n = 0; n < count; n++) await app`select holdfast_publish('nobody:1', 'Paid', '{"cents":1}')`
  await until('they are refused', async () => {
    const [row] = await app<{ count: string }[]>`
      select count(*) as count from holdfast.outbox where refused is not null`
    return Number(row?.count) === before + count
  })
}

describe('a node', () => {
  it('relays what an application has committed', async () => {
    await app.begin(async tx => {
      await tx`select holdfast_publish('order:1', 'Placed', '{"lines":2}')`
      await tx`select holdfast_publish('order:1', 'Paid', '{"cents":1}')`
    })
    const history = async () =>
      (await node.api<{ publications: unknown[] }>('history', { channel: 'order:1', limit: 10 })).publications
    await until('both are there', async () => (await history()).length === 2)
    expect(await history()).toMatchObject([
      { offset: 1, data: { lines: 2 }, tags: { type: 'Placed' } },
      { offset: 2, data: { cents: 1 }, tags: { type: 'Paid' } },
    ])
  })
})

describe('holdfast outbox', () => {
  it('says how much waits and what was refused, for people and for programs', async () => {
    expect((await holdfast(['outbox', 'status'], env)).stdout).toBe('waiting  0\nrefused  0\n')
    expect((await holdfast(['outbox', 'refused'], env)).stdout).toBe('nothing is refused\n')
    await refuse(2)
    expect((await holdfast(['outbox', 'status'], env)).stdout).toBe(
      'waiting  0\nrefused  2 ("holdfast outbox refused" says why)\n',
    )
    expect((await holdfast(['outbox', 'status', '--json'], env)).json()).toEqual({
      waiting: 0,
      oldestSeconds: 0,
      refused: 2,
    })
    const [first, second] = await ids()
    const people = await holdfast(['outbox', 'refused', '--limit', 1], env)
    expect(people.stdout).toMatch(/^ID +CHANNEL +TYPE +BYTES +SINCE +REASON\n/)
    expect(people.stdout).toContain('the namespace "nobody" is not declared')
    expect(people.stdout).toContain(`go on with --after ${first}`)
    const rest = await holdfast(['outbox', 'refused', '--after', first ?? '', '--json'], env)
    expect(rest.json()).toMatchObject([{ id: Number(second), channel: 'nobody:1', data: '{"cents":1}' }])
  })

  it('retries and discards what a person has decided on, on record', async () => {
    const [first = '', second = ''] = await ids()
    const retried = await holdfast(['outbox', 'retry', first, '--by', 'anna', '--reason', 'again'], env)
    expect(retried).toMatchObject({ code: 0, stdout: '1 event put at the end of the outbox\n', stderr: '' })
    const unasked = await holdfast(['outbox', 'discard', second, '--reason', 'a test'], env)
    expect(unasked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') })
    const discard = ['outbox', 'discard', second, '--reason', 'a test', '--by', 'ben', '--yes', '--json']
    expect((await holdfast(discard, env)).json()).toEqual({ changed: 1 })
    expect((await holdfast(discard, env)).json()).toEqual({ changed: 0 })
    expect(await app`select actor, act, reason from holdfast.acts order by id`).toEqual([
      { actor: 'anna', act: 'retry_outbox', reason: 'again' },
      { actor: 'ben', act: 'discard_outbox', reason: 'a test' },
    ])
    await until(
      'the retried one is refused again',
      async () => (await node.api<Outbox>('outbox', {})).refused === 1,
    )
    expect((await holdfast(['outbox', 'discard', '--all', '--reason', 'x', '--yes'], env)).stdout).toBe(
      '1 event discarded\n',
    )
    expect(await ids()).toEqual([])
  })

  it.each([
    [['retry'], 2, /which events\?[\s\S]*--all/],
    [['retry', '1', '--all'], 2, /ids or --all/],
    [['retry', '0'], 2, /1 or more/],
    [['discard', '1', '--yes'], 2, /--reason/],
  ])('%j is refused with words that help', async (args, code, words) => {
    const ended = await holdfast(['outbox', ...args], env)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(words)
    expect(ended.stderr).not.toMatch(/^ +at /m)
  })

  it('has examples in its help', async () => {
    for (const command of ['status', 'refused', 'retry', 'discard']) {
      expect((await holdfast(['outbox', command, '--help'], env)).stdout).toMatch(
        /Examples:[\s\S]*\$ holdfast outbox/,
      )
    }
  })
})

describe('the server API', () => {
  it('shows, retries and discards', async () => {
    await refuse(3)
    const page = await node.api<Outbox>('outbox', { limit: 2 })
    expect(page).toMatchObject({
      waiting: 0,
      oldest_seconds: 0,
      refused: 3,
      rows: [{ data: '{"cents":1}' }, {}],
    })
    expect(page.next_after_id).toBe(page.rows[1]?.id)
    const last = await node.api<Outbox>('outbox', { limit: 2, after_id: page.next_after_id })
    expect(last.rows).toMatchObject([
      { channel: 'nobody:1', reason: 'the namespace "nobody" is not declared' },
    ])
    expect(last.next_after_id).toBeUndefined()
    const discard = { ids: [page.rows[0]?.id], reason: 'a test', actor: 'anna' }
    expect(await node.api('discard_outbox', discard)).toEqual({ changed: 1 })
    expect(await node.api('retry_outbox', { all: true })).toEqual({ changed: 2 })
    const acts = await app`select actor, act from holdfast.acts order by id desc limit 3`
    expect(acts).toEqual([
      { actor: 'api', act: 'retry_outbox' },
      { actor: 'api', act: 'retry_outbox' },
      { actor: 'anna', act: 'discard_outbox' },
    ])
  })

  it.each([
    ['outbox', { limit: 0 }, /limit/],
    ['outbox', { offset: 1 }, /offset/],
    ['retry_outbox', {}, /expected ids/],
    ['retry_outbox', { ids: [1], all: true }, /expected ids/],
    ['retry_outbox', { ids: [] }, /ids/],
    ['discard_outbox', { all: true }, /reason/],
    ['discard_outbox', { all: true, reason: ' ' }, /reason/],
  ])('refuses %s %j', async (method, params, words) => {
    await expect(node.api(method, params)).rejects.toMatchObject({
      code: 107,
      message: expect.stringMatching(words),
    })
  })
})
