import { randomUUID } from 'node:crypto'
import { Centrifuge, type Options, type PublicationContext } from 'centrifuge'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type Stage, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { slowMachine } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { createLogger } from '../platform/index.ts'
import { createRealtimeTier, type RealtimeTier } from '../realtime/index.ts'
import { createToken } from './auth/create-token.ts'

const token = (request: Parameters<typeof createToken>[1]) =>
  createToken({ hmacSecret: stageSecret }, request)

/** The official SDK against a real HTTP server, with the realtime tier over the real Redis. */
describe('the official SDK', () => {
  let stage: Stage
  let realtime: RealtimeTier
  let nodeId: string
  const clients: Centrifuge[] = []

  const start = async () => {
    stage = await startStage({
      realtime,
      rpc: { double: ({ data }) => ({ doubled: (data as { n: number }).n * 2 }) },
    })
  }
  beforeEach(async () => {
    const logger = createLogger('silent')
    const prefix = `t${randomUUID().slice(0, 8)}`
    nodeId = randomUUID()
    const timings = slowMachine
    realtime = await createRealtimeTier({ redis: inject('redisUrl'), prefix, nodeId, logger, timings })
    await start()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await stage.close()
    await realtime.close()
  })

  function sdk(options: Partial<Options> = {}): Centrifuge {
    const client = new Centrifuge(stage.url, { minReconnectDelay: 20, maxReconnectDelay: 100, ...options })
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }

  async function connected(user: string): Promise<Centrifuge> {
    const client = sdk({ token: await token({ user, info: { name: user } }) })
    client.connect()
    await client.ready(10_000)
    return client
  }

  async function subscribed(client: Centrifuge, channel: string, options: Record<string, unknown> = {}) {
    const subscription = client.newSubscription(channel, options)
    const publications: PublicationContext[] = []
    subscription.on('publication', context => publications.push(context))
    subscription.on('error', () => undefined)
    subscription.subscribe()
    await subscription.ready(10_000)
    return { subscription, publications }
  }

  it('connects, subscribes and publishes, and everyone gets it once with who sent it', async () => {
    const [ann, bob] = [await connected('ann'), await connected('bob')]
    const [hers, his] = [await subscribed(ann, 'open:room'), await subscribed(bob, 'open:room')]
    const published = Array.from({ length: 20 }, (_, i) => ann.publish('open:room', { i }))
    await his.subscription.publish({ done: true })
    await Promise.all(published)
    await until('both have all', () => hers.publications.length + his.publications.length >= 42)
    for (const { publications } of [hers, his]) {
      const fromAnn = publications.filter(each => each.info?.user === 'ann').map(each => each.data)
      expect(fromAnn).toEqual(Array.from({ length: 20 }, (_, i) => ({ i })))
      expect(publications).toHaveLength(21)
      expect(publications[0]?.info?.connInfo).toMatchObject({ name: expect.any(String) })
    }
  })

  it('sees presence, joins and leaves', async () => {
    const [ann, bob] = [await connected('ann'), await connected('bob')]
    const hers = await subscribed(ann, 'open:room', { joinLeave: true })
    const seen: string[] = []
    hers.subscription.on('join', context => seen.push(`${context.info.user} joins`))
    hers.subscription.on('leave', context => seen.push(`${context.info.user} leaves`))
    const his = await subscribed(bob, 'open:room')
    await until('the join is seen', () => seen.includes('bob joins'))
    const { clients: present } = await hers.subscription.presence()
    expect(Object.values(present).map(info => info.user)).toEqual(expect.arrayContaining(['ann', 'bob']))
    expect(await hers.subscription.presenceStats()).toEqual({ numClients: 2, numUsers: 2 })
    his.subscription.unsubscribe()
    await until('the leave is seen', () => seen.includes('bob leaves'))
    expect(await hers.subscription.presenceStats()).toEqual({ numClients: 1, numUsers: 1 })
  })

  it('reads history and recovers what it missed', async () => {
    const [ann, bob] = [await connected('ann'), await connected('bob')]
    const hers = await subscribed(ann, 'open:room', { recoverable: true, positioned: true })
    await bob.publish('open:room', 1)
    await until('the first has come', () => hers.publications.length === 1)
    const page = await hers.subscription.history({ limit: 10 })
    expect(page.publications.map(each => each.data)).toEqual([1])
    expect(page.offset).toBe(1)
  })

  it('calls remote procedures and is told what went wrong', async () => {
    const ann = await connected('ann')
    expect(await ann.rpc('double', { n: 21 })).toEqual({ data: { doubled: 42 } })
    await expect(ann.rpc('nothing', {})).rejects.toMatchObject({ code: 104 })
    await expect(ann.publish('shut:a', {})).rejects.toMatchObject({ code: 103 })
    await expect(ann.presence('quiet:a')).rejects.toMatchObject({ code: 108 })
    await expect(ann.history('nowhere:a', { limit: 1 })).rejects.toMatchObject({ code: 102 })
  })

  it('appends events and gets them live and again', async () => {
    const ann = await connected('ann')
    const { publications } = await subscribed(ann, 'fact:a')
    const { data } = await ann.rpc('holdfast.append', { channel: 'fact:a', type: 'Paid', data: { n: 1 } })
    expect(data).toEqual({ offset: 1, epoch: 'ledger', id: 'made', time: 5, duplicate: false })
    await ann.publish('fact:a', { n: 2 })
    await until('both have come', () => publications.length === 2)
    expect(publications.map(({ offset, tags }) => [offset, tags?.['type']])).toEqual([
      [1, 'Paid'],
      [2, 'publication'],
    ])
    const late = await connected('bob')
    const again = await subscribed(late, 'fact:a', { since: { offset: 0, epoch: 'ledger' } })
    await until('the past has come', () => again.publications.length === 2)
  })

  it('is told that others were out of reach, however shortly, when it has asked for that', async () => {
    const client = await connected('ann')
    const told: unknown[] = []
    client.on('message', ({ data }) => told.push((data as { holdfast: { state: unknown } }).holdfast.state))
    await client.rpc('holdfast.state', { watch: true })
    const redis = new Redis(inject('redisUrl'))
    const list = String(await redis.call('CLIENT', 'LIST'))
    const own = list.split('\n').find(line => line.includes(`name=holdfast-realtime-sub-${nodeId} `))
    await redis.call('CLIENT', 'KILL', 'ID', /\bid=(\d+)/.exec(own ?? '')?.[1] ?? '')
    redis.disconnect()
    await until('it has heard both', () => told.length >= 2)
    expect(told.slice(0, 2)).toMatchObject([{ realtime: 'local' }, { realtime: 'ready' }])
  })

  it('stays unsubscribed where it is refused, and comes back where it may', async () => {
    const ann = await connected('ann')
    const refused = ann.newSubscription('shut:a')
    const ended = new Promise<{ code: number }>(resolve => refused.on('unsubscribed', resolve))
    refused.subscribe()
    expect((await ended).code).toBe(103)
    const { subscription } = await subscribed(ann, 'quiet:a')
    const again = new Promise(resolve => subscription.on('subscribed', resolve))
    for (const session of stage.sockets.sessions.ofUser('ann')) {
      session.unsubscribe('quiet:a', 2500, 'insufficient state')
    }
    await again
    const over = new Promise<{ code: number }>(resolve => subscription.on('unsubscribed', resolve))
    for (const session of stage.sockets.sessions.ofUser('ann')) session.unsubscribe('quiet:a', 2000, 'server')
    expect((await over).code).toBe(2000)
  })

  it('refreshes its token before it expires', async () => {
    let given = 0
    const client = sdk({
      getToken: () => {
        given++
        return token({ user: 'ann', ttlSeconds: given === 1 ? 2 : 100 })
      },
    })
    const ended: number[] = []
    client.on('disconnected', context => ended.push(context.code))
    client.connect()
    await client.ready(10_000)
    await until('the token was refreshed', () => given === 2)
    expect(await client.rpc('double', { n: 1 })).toEqual({ data: { doubled: 2 } })
    expect(ended).toEqual([])
  })

  it('comes back after the node has stopped, with all its subscriptions', async () => {
    const { port } = new URL(stage.url)
    const ann = await connected('ann')
    const { subscription, publications } = await subscribed(ann, 'fact:a')
    await ann.publish('fact:a', 1)
    await until('the first has come', () => publications.length === 1)
    const codes: number[] = []
    ann.on('connecting', context => codes.push(context.code))
    const { events } = stage.durable
    await stage.close()
    await until('it notices', () => codes.length > 0)
    expect(codes[0]).toBe(3001)
    stage = await startStage({ realtime, port: Number(port) })
    for (const [channel, lines] of events) stage.durable.events.set(channel, lines)
    await stage.durable.append({ channel: 'fact:a', type: 'T', data: '2' })
    await until('it is back and has what it missed', () => publications.length === 2)
    expect(publications.map(each => each.offset)).toEqual([1, 2])
    expect(subscription.state).toBe('subscribed')
  })

  it('gives up for good when its token is forged, and when a frame is too large', async () => {
    const forger = sdk({ token: await createToken({ hmacSecret: 'other' }, { user: 'ann' }) })
    const ended = new Promise<{ code: number }>(resolve => forger.on('disconnected', resolve))
    forger.connect()
    expect((await ended).code).toBe(3500)
    const ann = await connected('ann')
    const cut = new Promise<{ code: number; reason: string }>(resolve => ann.on('disconnected', resolve))
    ann.publish('quiet:a', 'x'.repeat(70_000)).catch(() => undefined)
    expect(await cut).toMatchObject({ code: 3, reason: 'message size limit exceeded' })
  })
})
