import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Job, Queue, Worker } from 'bullmq'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobsStage, jobsStage } from '../../../test/support/jobs-stage.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId } from '../../domain/index.ts'
import { parseConfig } from '../../platform/index.ts'
import { createOperations } from '../operations/operations.ts'

let stage: JobsStage
const ends: (() => unknown)[] = []
beforeAll(async () => {
  stage = await jobsStage()
})
afterAll(async () => {
  for (const end of ends) await end()
  await stage.close()
})

const settled: JobsStage['settled'] = (rule, state, count) => stage.settled(rule, state, count)

/** A worker as an application has it: BullMQ's own, by the queue's name. */
function foreignWorker(queue: string, work: (job: Job) => Promise<unknown>): Worker {
  const { hostname, port } = new URL(stage.redis.url)
  const worker = new Worker(queue, work, { connection: { host: hostname, port: Number(port) } })
  worker.on('error', () => undefined)
  ends.push(() => worker.close(true))
  return worker
}

describe('an application’s own queue', () => {
  it('gets whole events as jobs; how its workers end is seen, and a redrive adds them again', async () => {
    const node = await stage.node()
    node.jobs.rule('own', { on: { channel: 'own:{id}' }, queue: { name: 'mailer' }, attempts: 1 })
    await node.work()
    const got: { id: string | undefined; name: string; data: unknown }[] = []
    let broken = true
    foreignWorker('mailer', async job => {
      got.push({ id: job.id, name: job.name, data: job.data })
      if (broken && job.data.event.data.bad) throw new Error('mail server says no')
    })
    const good = await stage.append('own:1', 'Placed', { lines: [1, 2] })
    await stage.append('own:2', 'Placed', { bad: true })
    await settled('own', 'done')
    const [parked] = await settled('own', 'parked')
    expect(parked).toMatchObject({ reason: 'mail server says no', attempts: 1 })
    expect(got.find(job => job.id === `own.${good}`)).toEqual({
      id: `own.${good}`,
      name: 'Placed',
      data: {
        event: {
          id: good,
          type: 'Placed',
          channel: 'own:1',
          offset: 1,
          time: expect.any(Number),
          epoch: node.tier.log.ledger.epoch,
          data: { lines: [1, 2] },
        },
      },
    })
    // What is completed stays only until that is settled, and what has failed, for people to look at.
    const queue = new Queue('mailer', { connection: stage.client })
    ends.push(() => queue.close())
    await until('the completed job is removed', async () => (await queue.getCompletedCount()) === 0)
    expect((await queue.getFailed()).map(job => job.opts)).toMatchObject([
      { removeOnComplete: { age: 7 * 86_400 }, removeOnFail: { age: 7 * 86_400 } },
    ])
    broken = false
    const { deliveries } = createOperations(stage.sql)
    await deliveries.redrive({ ids: [parked?.id ?? 0] }, { actor: 'test' })
    await settled('own', 'done', 2)
    expect(got).toHaveLength(3)
    await node.close()
  })

  it('gets all other jobs beside an event that none can carry, which is parked', async () => {
    const node = await stage.node()
    node.jobs.rule('deep', { on: { channel: 'deep:*' }, queue: { name: 'deep' } })
    await node.work()
    const queue = new Queue('deep', { connection: stage.client })
    ends.push(() => queue.close())
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
    const { ledger } = node.tier.log
    for (const data of ['1', nested(20_000), '2', nested(200)])
      await ledger.append({ channel: 'deep:1', type: 'T', data, id: newEventId() })
    const [parked] = await settled('deep', 'parked')
    expect(parked?.reason).toMatch(/no job can carry its event/)
    await until('three wait', async () => (await queue.getWaitingCount()) === 3)
    await stage.client.flushall()
    await until('three wait again', async () => (await queue.getWaitingCount()) === 3)

    const { deliveries } = createOperations(stage.sql)
    await deliveries.redrive({ ids: [parked?.id ?? 0] }, { actor: 'test' })
    await settled('deep', 'parked')
    await node.close()
  })

  it('gets more than goes into one call', async () => {
    const node = await stage.node()
    node.jobs.rule('large', { on: { channel: 'large:*' }, queue: { name: 'large' } })
    await node.work()
    const queue = new Queue('large', { connection: stage.client })
    ends.push(() => queue.close())
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => stage.append(`large:${n}`, 'T', 'x'.repeat(100_000))),
    )
    await until('all wait', async () => (await queue.getWaitingCount()) === 30)
    await stage.client.flushall()
    await until('all wait again', async () => (await queue.getWaitingCount()) === 30)
    await node.close()
  })

  it('that is wiped gets its jobs again, and loses what was erased', async () => {
    const node = await stage.node()
    node.jobs.rule('wiped', {
      on: { channel: 'wiped:{id}' },
      queue: { name: 'mine', job: 'named', prefix: 'other' },
    })
    await node.work()
    await stage.append('wiped:1', 'Placed', 'first')
    const id = await stage.append('wiped:2', 'Placed', 'secret')
    const queue = new Queue('mine', { connection: stage.client, prefix: 'other' })
    ends.push(() => queue.close())
    await until('both wait', async () => (await queue.getWaitingCount()) === 2)
    await stage.client.flushall()
    await until('both wait again', async () => (await queue.getWaitingCount()) === 2)
    expect((await queue.getJobs()).map(job => job.name)).toEqual(['named', 'named'])

    const { ledger } = node.tier.log
    const partition = ledger.partitionOf('wiped:2')
    await stage.sql`
      select * from holdfast.erase_event(${ledger.epoch}, ${partition}, 'wiped:2', 1, 'test', 'test')`
    const [{ position } = { position: 0 }] = await stage.sql<{ position: number }[]>`
      select position from holdfast.deliveries where event_id = ${id}::uuid`
    await node.jobs.forget({ partition, position })
    await settled('wiped', 'discarded')
    expect(JSON.stringify(await queue.getJobs())).not.toContain('secret')
    expect(await queue.getWaitingCount()).toBe(1)

    // A job that somebody works on cannot be removed: what it says goes nevertheless.
    const goOn = Promise.withResolvers<void>()
    const { hostname, port } = new URL(stage.redis.url)
    const worker = new Worker('mine', () => goOn.promise, {
      connection: { host: hostname, port: Number(port) },
      prefix: 'other',
    })
    ends.push(() => worker.close(true))
    await until('it is in hand', async () => (await queue.getActiveCount()) === 1)
    const [row] = await stage.sql<{ position: number; partition: number }[]>`
      select partition, position from holdfast.deliveries where consumer = 'rule/wiped' and channel = 'wiped:1'`
    await node.jobs.forget(row ?? { partition: 0, position: 0 })
    expect(JSON.stringify(await queue.getJobs())).not.toContain('first')
    goOn.resolve()
    await settled('wiped', 'done')
    await node.close()
  })
})

describe('a webhook', () => {
  it('is called by a rule, again after a failure, and parks in the end', async () => {
    const seen: { id: unknown; body: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => {
        seen.push({ id: request.headers['webhook-id'], body })
        const fails = body.includes('never') || (body.includes('twice') && seen.length === 1)
        response.writeHead(fails ? 500 : 204).end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ends.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const node = await stage.node()
    node.jobs.rule('hook', {
      on: { channel: 'hook:{id}' },
      webhook: {
        url: `http://127.0.0.1:${port}/in`,
        secrets: [`whsec_${Buffer.alloc(24, 1).toString('base64')}`],
        allowPrivate: true,
      },
      attempts: 2,
      backoffMs: { first: 20, most: 40 },
    })
    await node.work()
    await stage.append('hook:1', 'Placed', 'twice')
    const [done] = await settled('hook', 'done')
    expect(done?.attempts).toBe(2)
    expect(seen[0]?.id).toBe(seen[1]?.id)
    expect(JSON.parse(seen[1]?.body ?? '')).toMatchObject({ id: done?.eventId, data: 'twice' })
    await stage.append('hook:1', 'Placed', 'never')
    const [parked] = await settled('hook', 'parked')
    expect(parked).toMatchObject({ attempts: 2, reason: expect.stringMatching(/500.*\(attempt 2\)/s) })
    await node.close()
  })
})

it('the secrets of a webhook have to be there where its jobs are worked on, and nowhere else', async () => {
  const webhook = { url: 'https://shop.example/hooks', secrets: [{ env: 'HOLDFAST_NO_SUCH_SECRET' }] }
  const { jobs } = parseConfig({ jobs: { rules: { secretive: { on: { channel: 'none:*' }, webhook } } } })
  const node = await stage.node({ config: jobs })
  expect(node.jobs.status().deliveries).toEqual([])
  await expect(node.work()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('HOLDFAST_NO_SUCH_SECRET'),
  })
  await node.close()
})

describe('a worker', () => {
  it('that is killed in the middle loses its job to another, and its transaction', async () => {
    await stage.table('killed (text text)')
    const node = await stage.node()
    node.jobs.rule('killed', { on: { channel: 'killed:*' }, handler: 'hang' })
    await node.work()
    await stage.append('killed:1', 'T', 0)
    await kill(await begun('killed'))
    // Whoever is killed is not counted; but who takes it and is killed as well speaks against the job.
    await kill(await begun('killed'))
    const third = await begun('killed')
    await until('it is counted', async () => (await stage.deliveries('killed'))[0]?.attempts === 1)
    expect((await stage.deliveries('killed'))[0]).toMatchObject({
      state: 'queued',
      reason: expect.stringContaining('stalled'),
    })
    await kill(third)
    node.jobs.handler('hang', () => undefined)
    await settled('killed', 'done')
    expect(await stage.sql`select from killed`).toHaveLength(0)
    await node.close()
  }, 120_000)
})

/** A process that has begun with a job of the rule, and never ends it. */
async function begun(rule: string): Promise<ChildProcess> {
  const path = fileURLToPath(new URL('../../../test/support/job-process.ts', import.meta.url))
  const setup = { databaseUrl: stage.url, redisUrl: stage.redis.url, rule }
  const child = spawn(process.execPath, [path, JSON.stringify(setup)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  ends.push(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  expect(String(line)).toBe('begun\n')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}
