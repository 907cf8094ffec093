import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { holdfast as command } from '../../test/support/command.ts'
import { freshDatabase } from '../../test/support/database.ts'
import { ownLag } from '../../test/support/own-lag.ts'
import { type OwnServer, ownRedis } from '../../test/support/own-servers.ts'
import { ownPrefix } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { asHoldfastError } from '../domain/index.ts'
import { JobRedis } from '../durable/jobs/job-redis.ts'
import { LogRedis } from '../durable/mirror/log-redis.ts'
import { createLogger } from '../platform/index.ts'
import { createRealtimeTier, type RealtimeTier } from '../realtime/index.ts'
import { type BreakerChange, type BreakerRole, Breakers } from '../resilience/index.ts'
import { createHoldfast } from './holdfast.ts'
import type { Holdfast } from './types.ts'

const logger = createLogger('silent')
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: unknown) => asHoldfastError(error).code,
  )

describe('the breakers before one Redis', () => {
  let server: OwnServer
  let admin: Redis
  let breakers: Breakers
  let changes: (BreakerChange & { at: number })[]
  let bus: RealtimeTier
  let log: LogRedis
  let jobs: JobRedis

  beforeAll(async () => {
    server = await ownRedis()
    admin = new Redis(server.url)
  })
  afterAll(async () => {
    admin?.disconnect()
    await server?.stop()
  })
  beforeEach(async () => {
    breakers = new Breakers(logger)
    changes = []
    log = new LogRedis(server.url, 'test-log', logger, breakers)
    jobs = new JobRedis(server.url, 'test-jobs', logger, breakers)
    bus = await createRealtimeTier({
      redis: server.url,
      prefix: ownPrefix(),
      nodeId: 'a',
      logger,
      breakers,
    })
    await until('all pass', () => breakers.list().every(({ state }) => state === 'passing'))
    // BullMQ asks its Redis who it is when a queue is made.
    await jobs.counts('q', 'p')
    breakers.onChange(change => changes.push({ ...change, at: performance.now() }))
  })
  afterEach(async () => {
    server.goOn()
    await admin.config('SET', 'maxmemory', '0')
    await bus.close()
    log.close()
    jobs.close()
  })

  const stateOf = (role: BreakerRole) => breakers.list().find(each => each.role === role)?.state
  const calls: Record<'bus' | 'log' | 'jobs', () => Promise<string>> = {
    async bus() {
      bus.control.send({})
      return 'sent'
    },
    log: () => codeOf(log.call(redis => redis.ping())),
    jobs: () => codeOf(jobs.counts('q', 'p')),
  }
  const roles = Object.keys(calls) as (keyof typeof calls)[]

  it('notice within a second of the next call that it hangs, and by themselves that it goes on', async () => {
    const lag = ownLag()
    server.hang()
    const from = performance.now()
    const answers = Promise.all(roles.map(role => calls[role]()))
    await until('all reject', () => roles.every(role => changes.some(each => each.role === role)))
    const late = lag()
    for (const role of roles) {
      const [first] = changes.filter(each => each.role === role)
      expect(first, role).toMatchObject({ state: 'rejecting' })
      expect((first?.at ?? 0) - from, role).toBeLessThanOrEqual(1_000 + late)
    }
    expect(await calls.log()).toBe('DEPENDENCY_REJECTED')
    expect(await calls.jobs()).toBe('DEPENDENCY_REJECTED')
    server.goOn()
    await until('all pass', () => roles.every(role => stateOf(role) === 'passing'))
    await answers
    expect(await Promise.all([calls.log(), calls.jobs()])).toEqual(['ok', 'ok'])
  })

  it('that is full: who writes is refused at once and found again, who only publishes goes on', async () => {
    await admin.config('SET', 'maxmemory', '1')
    expect(await codeOf(log.call(redis => redis.set('x', '1')))).toBe('DEPENDENCY_FAILED')
    const job = { name: 'n', id: 'a-job', data: {} }
    expect(await codeOf(jobs.add('q', 'p', [job]))).toBe('DEPENDENCY_FAILED')
    expect([stateOf('log'), stateOf('jobs')]).not.toContain('passing')
    await until('vain probes', () =>
      breakers.list().every(({ role, counts }) => role === 'bus' || counts.probes.failed > 1),
    )
    await calls.bus()
    expect(stateOf('bus')).toBe('passing')
    expect(changes.filter(({ role }) => role === 'bus')).toEqual([])
    await admin.config('SET', 'maxmemory', '0')
    await until('all pass', () => roles.every(role => stateOf(role) === 'passing'))
    expect(await codeOf(jobs.add('q', 'p', [job]))).toBe('ok')
  })

  it('take a wrong request for a sign of life', async () => {
    await admin.set('text', 'x')
    for (let i = 0; i < 10; i++) {
      expect(await codeOf(log.call(redis => redis.lpush('text', '1')))).toBe('DEPENDENCY_FAILED')
      expect(await codeOf(log.call(redis => redis.evalsha('0'.repeat(40), 0)))).toBe('DEPENDENCY_FAILED')
    }
    for (let i = 0; i < 10; i++) {
      expect(await codeOf(jobs.add('q', 'p', [{ name: 'n', id: '1', data: {} }]))).toBe('DEPENDENCY_FAILED')
    }
    expect(changes).toEqual([])
  })
})

describe('operators', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  let nodes: readonly [Holdfast, Holdfast]
  let addresses: readonly [string, string]

  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
    const prefix = ownPrefix()
    const start = (nodeName: string) =>
      createHoldfast({
        nodeName,
        http: { host: '127.0.0.1', port: 0 },
        redis: { url: inject('redisUrl'), prefix },
        postgres: { url: database.url, migrate: true, poolSize: 2 },
        namespaces: { order: { tier: 'durable' }, room: { tier: 'realtime' } },
        api: { key: 'key' },
        limits: { drainTimeoutMs: 500 },
        log: { level: 'silent' },
      })
    nodes = [await start('ann'), await start('ben')]
    const [a, b] = await Promise.all(nodes.map(node => node.listen()))
    addresses = [`http://127.0.0.1:${a?.port}`, `http://127.0.0.1:${b?.port}`]
    await until(
      'they know each other, and all pass',
      async () =>
        (await call(0, 'info')).result?.nodes.length === 2 &&
        nodes.every(node => node.breakers.list().every(({ state }) => state === 'passing')),
    )
  })
  afterAll(async () => {
    await Promise.all(nodes?.map(node => node.close()) ?? [])
    await database?.drop()
  })

  interface Answer {
    readonly result?: { nodes: { name: string; breakers: Record<string, unknown>[] }[]; silent: string[] }
    readonly error?: { code: number; message: string }
  }
  async function call(node: 0 | 1, method: string, params: unknown = {}): Promise<Answer> {
    const response = await fetch(`${addresses[node]}/api/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'key' },
      body: JSON.stringify(params),
    })
    return (await response.json()) as Answer
  }
  const stateOf = (node: 0 | 1, role: BreakerRole) =>
    nodes[node].breakers.list().find(each => each.role === role)

  it('see the roles of a node, and of all nodes', async () => {
    const { result } = await call(0, 'breakers')
    expect(result?.nodes.map(({ name }) => name)).toEqual(['ann'])
    expect(result?.nodes[0]?.breakers).toMatchObject(
      ['bus', 'log', 'jobs', 'ledger'].map(role => ({ role, state: 'passing', held_by: null })),
    )
    const all = await call(1, 'breakers', { all: true })
    expect(all.result?.nodes.map(({ name }) => name)).toEqual(['ben', 'ann'])
    expect(all.result?.silent).toEqual([])
    expect((await call(0, 'breakers', { everything: true })).error?.code).toBe(107)
  })

  it('hold one on all nodes, where everything goes on without it, and release it', async () => {
    const heard: BreakerChange[] = []
    const stop = nodes[1].breakers.onChange(change => heard.push(change))
    const held = await call(0, 'breaker_hold', { role: 'log', state: 'rejecting', actor: 'ops' })
    expect(held.result?.nodes.map(({ name }) => name)).toEqual(['ann', 'ben'])
    for (const node of [0, 1] as const) {
      expect(stateOf(node, 'log')).toMatchObject({ state: 'rejecting', heldBy: 'ops' })
    }
    expect(heard).toContainEqual(expect.objectContaining({ role: 'log', state: 'rejecting', heldBy: 'ops' }))
    expect(await nodes[0].append('order:1', 'Placed', { n: 1 })).toMatchObject({ offset: 1 })
    expect((await nodes[1].history('order:1')).publications).toHaveLength(1)
    await until('calls were refused', () => (stateOf(1, 'log')?.counts.rejected ?? 0) > 3)
    expect(stateOf(1, 'log')?.state).toBe('rejecting')
    const released = await call(1, 'breaker_release', { role: 'log', actor: 'ops' })
    expect(released.result?.nodes.map(({ name }) => name)).toEqual(['ben', 'ann'])
    await until('it passes', () => [0, 1].every(node => stateOf(node as 0 | 1, 'log')?.state === 'passing'))
    expect(stateOf(0, 'log')?.heldBy).toBeUndefined()
    stop()
  })

  it('get through to all nodes also where it is the bus that they hold', async () => {
    const held = await nodes[0].breakers.hold('bus', 'rejecting', { actor: 'ops' })
    expect(held).toMatchObject({ nodes: [{ name: 'ann' }, { name: 'ben' }], silent: [] })
    const ready = await fetch(`${addresses[1]}/health/ready`)
    expect(await ready.json()).toMatchObject({ status: 'degraded', parts: { bus: 'unreachable' } })
    const released = await nodes[1].breakers.release('bus', { actor: 'ops' })
    expect(released).toMatchObject({ nodes: [{ name: 'ben' }, { name: 'ann' }], silent: [] })
    await until('they hear each other', async () => {
      const health = await (await fetch(`${addresses[0]}/health/ready`)).json()
      return (health as { status: string }).status === 'ready'
    })
  })

  it('are told of a role that there is not, and of a state that nobody can be held in', async () => {
    const wrong = [{ role: 'nothing', state: 'passing' }, { role: 'bus', state: 'probing' }, {}]
    for (const params of wrong) expect((await call(0, 'breaker_hold', params)).error?.code).toBe(107)
    const alone = await createHoldfast({ log: { level: 'silent' } })
    await expect(alone.breakers.hold('ledger', 'rejecting')).rejects.toMatchObject({ code: 'NOT_AVAILABLE' })
    await alone.close()
  })

  it('see states, changes, refusals and probes in the metrics', async () => {
    await until('the metrics say so', async () => {
      const text = await (await fetch(`${addresses[0]}/metrics`)).text()
      const value = (name: string) =>
        Number(text.match(new RegExp(`^holdfast_breaker_${name} (\\d+)`, 'm'))?.[1])
      return (
        value('state\\{role="log",state="passing"\\}') === 1 &&
        value('state\\{role="log",state="rejecting"\\}') === 0 &&
        value('changes_total\\{role="log",state="rejecting"\\}') >= 1 &&
        value('rejected_total\\{role="log"\\}') > 0 &&
        value('probes_total\\{role="log",outcome="succeeded"\\}') >= 1
      )
    })
  })

  it('do all that from the command line', async () => {
    const env = { HOLDFAST_API_KEY: 'key' }
    const on = ['--url', addresses[0]]
    const hold = await command(['breakers', 'hold', 'jobs', 'rejecting', '--by', 'cleo', ...on], env)
    expect(hold).toMatchObject({ code: 0, stdout: 'jobs is held rejecting on ann, ben\n', stderr: '' })
    const [list, refused] = await Promise.all([
      command(['breakers', 'list', '--all', ...on], env),
      command(['breakers', ...on], { HOLDFAST_API_KEY: 'wrong' }),
    ])
    expect(list.stdout).toMatch(/^NODE +ROLE +STATE +SINCE +HELD BY/)
    expect(list.stdout.match(/(ann|ben) +jobs +rejecting +\S+ +cleo/g)).toHaveLength(2)
    const release = await command(['breakers', 'release', 'jobs', '--json', ...on], env)
    expect(release.json()).toMatchObject({ nodes: [{ name: 'ann' }, { name: 'ben' }], silent: [] })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('HOLDFAST_API_KEY')
  })
})
