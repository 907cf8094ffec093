import { randomBytes } from 'node:crypto'
import type { Centrifuge } from 'centrifuge'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { spanNames } from '../../src/tracing/index.ts'
import { type Cluster, type Node, openNamespaces, startCluster } from '../support/cluster.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { connect, type Recorded, received, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

/** Below a test's own, so that a failure names what has not come. */
const patience = 20_000
/** Of the SDK: a command's answer may take its time on a busy machine. */
const patient = { timeout: 20_000 }
const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 }
/** As an application's tracer writes its place: sampled, which nobody here has to believe. */
const clientsTrace = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }
const clientsTraceparent = `00-${clientsTrace.traceId}-${clientsTrace.spanId}-01`

/** A test's spans by where they belong, as a person looks for them. */
class Story {
  readonly #collector: OtlpReceiver

  constructor(collector: OtlpReceiver) {
    this.#collector = collector
  }

  find(name: string | RegExp, matches: (span: ReceivedSpan) => boolean): ReceivedSpan[] {
    const named = (span: ReceivedSpan) =>
      typeof name === 'string' ? span.name === name : name.test(span.name)
    return this.#collector.spans.filter(span => named(span) && matches(span))
  }

  async one(name: string | RegExp, matches: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
    try {
      return await until(`a span ${name} has come`, () => this.find(name, matches)[0], patience)
    } catch (error) {
      const there = this.#collector.spans.map(
        span => `${span.name} ${span.attributes['messaging.destination.name'] ?? ''}`,
      )
      throw new Error(`${(error as Error).message}; there are: ${there.join(', ')}`, { cause: error })
    }
  }
}

const childOf = (parent: ReceivedSpan) => (span: ReceivedSpan) => span.parentSpanId === parent.spanId
const linkedTo = (to: ReceivedSpan) => (span: ReceivedSpan) =>
  span.links.some(({ spanId }) => spanId === to.spanId)
const inChannel = (channel: string) => (span: ReceivedSpan) =>
  span.attributes['messaging.destination.name'] === channel
const instance = ({ resource }: ReceivedSpan) => resource['service.instance.id']

describe('the trace of a message', () => {
  let collector: OtlpReceiver
  let cluster: Cluster
  let story: Story
  let sender: Centrifuge
  /** Of the second node: more than one, since a message is traced once for all of a node's. */
  let listeners: Centrifuge[]
  let listener: Centrifuge
  let nodes: readonly Node[]

  beforeAll(async () => {
    collector = await startOtlpReceiver()
    story = new Story(collector)
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    cluster = await startCluster({
      nodes: 0,
      config: {
        namespaces: openNamespaces,
        telemetry: { sampling: { realtime: 1, durable: 1 } },
        prober: { enabled: true, intervalMs: 1_000 },
        projections: { channelActivity: { channels: ['order:*'] } },
        jobs: {
          rules: {
            shop: {
              on: { channel: 'order:{id}', type: 'OrderPlaced' },
              webhook: { url: `${collector.url}/orders`, secrets: [secret], allowPrivate: true },
            },
          },
        },
      },
    })
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
    }
    await cluster.start({ env, args: ['--role', 'gateway'] })
    await Promise.all([
      cluster.start({ env, args: ['--role', 'gateway'] }),
      cluster.start({ env, args: ['--role', 'worker'] }),
    ])
    nodes = cluster.nodes
    sender = await connect(nodes[0]?.url ?? '', 'anna', patient)
    listeners = await Promise.all(
      ['bob', 'bob-too', 'bob-also'].map(user => connect(nodes[1]?.url ?? '', user, patient)),
    )
    listener = listeners[0] as Centrifuge
  }, 120_000)
  afterAll(async () => {
    for (const client of [sender, ...(listeners ?? [])]) client?.disconnect()
    await cluster?.close()
    await collector?.close()
  })

  /** One on the first node, three on the second. */
  async function allListen(channel: string): Promise<Recorded[]> {
    return Promise.all([sender, ...listeners].map(client => subscribe(client, channel)))
  }

  /** One fan-out on each of the two nodes, whoever has how many subscribers there. */
  async function fanOuts(parents: Record<'near' | 'far', ReceivedSpan>) {
    const near = await story.one('fan out', childOf(parents.near))
    const far = await story.one('fan out', childOf(parents.far))
    for (const [span, subscribers] of [
      [near, 1],
      [far, 3],
    ] as const) {
      expect(span.kind).toBe(kinds.consumer)
      expect(span.attributes).toMatchObject({ 'holdfast.subscribers': subscribers })
    }
    expect(instance(near)).not.toBe(instance(far))
    expect(story.find('fan out', span => span.traceId === near.traceId)).toHaveLength(2)
    return { near, far }
  }

  it('in a realtime channel leads over the bus to the subscribers of each node', async () => {
    const records = await allListen('room:story')
    await sender.publish('room:story', { secret: 'payload' })
    await Promise.all(records.map(record => received(record, 1)))
    const receive = await story.one('receive publish', inChannel('room:story'))
    expect(receive).toMatchObject({
      kind: kinds.server,
      parentSpanId: undefined,
      links: [],
      failed: false,
      attributes: {
        'messaging.system': 'holdfast',
        'messaging.operation.name': 'publish',
        'holdfast.namespace': 'room',
        'holdfast.tier': 'realtime',
        'holdfast.from': 'client',
      },
      resource: {
        'service.name': 'holdfast',
        'service.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
        'service.instance.id': expect.stringMatching(/-\d+$/),
      },
    })
    const bus = await story.one('bus publish', childOf(receive))
    expect(bus).toMatchObject({ kind: kinds.producer, traceId: receive.traceId, failed: false })
    await fanOuts({ near: receive, far: bus })
  })

  it('with a number in the channel’s history leads to the same', async () => {
    const records = await allListen('recent:story')
    await sender.publish('recent:story', 1)
    await Promise.all(records.map(record => received(record, 1)))
    const receive = await story.one('receive publish', inChannel('recent:story'))
    const bus = await story.one('bus publish', childOf(receive))
    // The publishing node takes it by Redis' answer or by the bus, whichever is first, and never twice.
    const fanOuts = await until('both nodes have told', () => {
      const found = story.find('fan out', span => span.traceId === receive.traceId)
      return found.length >= 2 ? found : undefined
    })
    expect(new Set(fanOuts.map(instance)).size).toBe(2)
    expect(fanOuts).toHaveLength(2)
    for (const span of fanOuts) {
      const subscribers = instance(span) === instance(receive) ? 1 : 3
      expect(span.attributes).toMatchObject({ 'holdfast.offset': 1, 'holdfast.subscribers': subscribers })
      expect([receive.spanId, bus.spanId]).toContain(span.parentSpanId)
    }
    expect(fanOuts.some(childOf(bus))).toBe(true)
  })

  it('links a client’s own trace, and lets it decide nothing', async () => {
    await sender.rpc('holdfast.signal', { channel: 'room:linked', data: 1, traceparent: clientsTraceparent })
    await sender.rpc('holdfast.signal', { channel: 'room:broken', data: 1, traceparent: 'no such thing' })
    const receive = await story.one('receive signal', inChannel('room:linked'))
    expect(receive).toMatchObject({ parentSpanId: undefined, links: [clientsTrace] })
    expect(receive.traceId).not.toBe(clientsTrace.traceId)
    expect(await story.one('receive signal', inChannel('room:broken'))).toMatchObject({ links: [] })
  })

  /** Records an event and follows it as far as clients: to its place in the log. */
  async function appendOrder(n: number, records: readonly Recorded[]) {
    const order = { channel: 'order:story', type: 'OrderPlaced', data: { card: 'card-4711' } }
    const { data } = await sender.rpc('holdfast.append', order)
    await Promise.all(records.map(record => received(record, n)))
    const { id, offset } = data as { id: string; offset: number }
    const commit = await story.one('ledger commit', span => span.attributes['messaging.message.id'] === id)
    const [receive] = story.find('receive append', span => span.spanId === commit.parentSpanId)
    const mirror = await story.one('mirror', childOf(commit))
    return { id, offset, receive, commit, mirror }
  }

  it('of an event leads over ledger and mirror to both nodes, and by links to read model, job and webhook', async () => {
    const records = await allListen('order:story')
    // Whoever reads before the mirror has it reads the ledger, where there is no trace: then the next one is followed.
    let order = await appendOrder(1, records)
    const groups = () => story.find(/^process group /, linkedTo(order.mirror))
    for (let n = 2; n <= 5; n++) {
      const both = await until('read model and rules have it', () => groups().length >= 2, 4_000).catch(
        () => false,
      )
      if (both) break
      order = await appendOrder(n, records)
    }
    const { id, offset, receive, commit, mirror } = order
    expect(receive).toMatchObject({ name: 'receive append', kind: kinds.server })
    expect(commit).toMatchObject({
      kind: kinds.client,
      attributes: { 'holdfast.outcome': 'stored', 'holdfast.tier': 'durable' },
    })
    expect(mirror).toMatchObject({ kind: kinds.producer, traceId: receive?.traceId })
    const { far } = await fanOuts({ near: commit, far: mirror })
    expect(far.attributes).toMatchObject({ 'holdfast.offset': offset, 'holdfast.namespace': 'order' })

    const under = async (name: string) => {
      const span = await story.one(name, each => groups().some(group => each.parentSpanId === group.spanId))
      const group = groups().find(each => each.spanId === span.parentSpanId)
      expect(group).toMatchObject({
        kind: kinds.consumer,
        parentSpanId: undefined,
        attributes: { 'holdfast.outcome': 'settled' },
      })
      return span
    }
    const projection = await under('projection channel_activity')
    const enqueue = await under('enqueue rule-shop')
    const job = await story.one('process rule-shop', linkedTo(enqueue))
    expect(job).toMatchObject({
      kind: kinds.consumer,
      parentSpanId: undefined,
      attributes: { 'holdfast.rule': 'shop', 'holdfast.attempt': 1, 'messaging.message.id': id },
    })
    const post = await story.one('webhook POST', childOf(job))
    expect(post).toMatchObject({
      kind: kinds.client,
      attributes: { 'http.response.status_code': 200, 'server.address': '127.0.0.1' },
    })
    expect(collector.posts.map(headers => headers['traceparent'])).toContain(
      `00-${post.traceId}-${post.spanId}-01`,
    )
    expect(new Set([receive, projection, enqueue, job].map(span => span?.traceId)).size).toBe(4)
  }, 60_000)

  it('links what `@holdfast/client` is told of its application’s trace', async () => {
    const client = createClient(nodes[0]?.url ?? '', {
      token: await token('dora'),
      timeoutMs: patient.timeout,
      traceparent: () => clientsTraceparent,
    })
    await client.connect()
    const [order, room] = [client.channel('order:client'), client.channel('room:client')]
    await order.append('Noise', 1)
    await room.signal('offer', 1)
    // There is no aggregate to ask: refused, and traced all the same.
    await order.command('capture').catch(() => undefined)
    client.disconnect()
    for (const [operation, channel] of [
      ['append', order.name],
      ['signal', room.name],
      ['command', order.name],
    ] as const) {
      const receive = await story.one(`receive ${operation}`, inChannel(channel))
      expect(receive).toMatchObject({ parentSpanId: undefined, links: [clientsTrace] })
    }
  })

  it('of a canary is there of each tier, and leads to the other node like any', async () => {
    for (const [operation, parent, tier] of [
      ['publish', 'bus publish', 'realtime'],
      ['append', 'mirror', 'durable'],
    ] as const) {
      const elsewhere = (receive: ReceivedSpan) =>
        story
          .find('fan out', span => span.traceId === receive.traceId)
          .some(span => instance(span) !== instance(receive))
      const receive = await story.one(
        `receive ${operation}`,
        span => span.attributes['holdfast.from'] === 'canary' && elsewhere(span),
      )
      expect(receive).toMatchObject({ kind: kinds.server, parentSpanId: undefined })
      expect(receive.attributes).toMatchObject({ 'holdfast.tier': tier, 'holdfast.namespace': `~${tier}` })
      await story.one(parent, span => span.traceId === receive.traceId)
    }
  })

  it('is a part of the API caller’s, and ends where that says so', async () => {
    const call = (channel: string, flags: string) =>
      fetch(`${nodes[0]?.http}/api/append`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-api-key': 'test-api-key',
          traceparent: `00-${clientsTrace.traceId}-${clientsTrace.spanId}-${flags}`,
        },
        body: JSON.stringify({ channel, type: 'Noise', data: 1 }),
      })
    await call('order:unsampled', '00')
    await call('order:sampled', '01')
    const receive = await story.one('receive append', inChannel('order:sampled'))
    expect(receive).toMatchObject({ traceId: clientsTrace.traceId, parentSpanId: clientsTrace.spanId })
    expect(receive.attributes).toMatchObject({ 'holdfast.from': 'api' })
    await story.one('ledger commit', childOf(receive))
    expect(story.find(/./, inChannel('order:unsampled'))).toEqual([])
  })

  it('of what asks for the past is one of its own, and says so', async () => {
    const { offset, epoch } = await listener.history('order:story', { limit: 0 })
    await sender.rpc('holdfast.append', { channel: 'order:story', type: 'Noise', data: 2 })
    const again = await connect(nodes[1]?.url ?? '', 'carl', patient)
    const record = await subscribe(again, 'order:story', { since: { offset, epoch } })
    await received(record, 1)
    again.disconnect()
    const replay = await story.one('receive subscribe', inChannel('order:story'))
    expect(replay).toMatchObject({
      parentSpanId: undefined,
      attributes: { 'holdfast.replay': true, 'holdfast.recovered': true },
    })
    await story.one('receive history', inChannel('order:story'))
  })

  it('holds a refusal by its code', async () => {
    await sender
      .rpc('holdfast.append', { channel: 'room:refused', type: 'X', data: 1 })
      .catch(() => undefined)
    const receive = await story.one('receive append', inChannel('room:refused'))
    expect(receive).toMatchObject({ failed: true, attributes: { 'error.type': 'NOT_AVAILABLE' } })
  })

  it('never says what was in a message, nor who sent it', () => {
    const told = JSON.stringify(collector.spans.map(({ resource: _, ...span }) => span))
    expect(collector.spans.length).toBeGreaterThan(20)
    for (const kept of ['payload', 'card-4711', 'anna', 'bob', 'dora', 'whsec'])
      expect(told).not.toContain(kept)
  })

  it('comes beside metrics, of every process', async () => {
    await until(
      'metrics have come from all three',
      () => collector.metrics.get('holdfast.event_loop.lag.seconds')?.size === 3,
      patience,
    )
  })

  it('of the next job is another one', async () => {
    const jobs = () => story.find('process rule-shop', () => true)
    const [before] = jobs()
    const another = () => jobs().some(({ traceId }) => traceId !== before?.traceId)
    // As above: that of an event which was read from the ledger is not traced.
    for (let n = 1; n <= 5 && !another(); n++) {
      await sender.rpc('holdfast.append', { channel: 'order:next', type: 'OrderPlaced', data: n })
      await until('its job is traced', another, 4_000).catch(() => false)
    }
    expect(another()).toBe(true)
  }, 40_000)

  it('is sent to its end when the processes stop', async () => {
    await sender.rpc('holdfast.append', { channel: 'order:last', type: 'Noise', data: 3 })
    await Promise.all(nodes.map(node => node.stop()))
    const receive = story.find('receive append', inChannel('order:last'))
    expect(receive).toHaveLength(1)
  })

  it('is of one message, or of one turn of what reads, and of nothing that goes on for ever', () => {
    const named = Object.values(spanNames).map(({ name }) => new RegExp(`^${name.replace('…', '.+')}$`))
    // With BullMQ's own looks for work, delayed jobs and stalled ones there would be others.
    const strangers = collector.spans.filter(({ name }) => !named.some(pattern => pattern.test(name)))
    expect(strangers.map(({ name }) => name)).toEqual([])

    const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId)
    // Not of the message: those that an application has put into a trace of its own.
    traces.delete(clientsTrace.traceId)
    const begunBy = (name: RegExp) =>
      [...traces.values()].filter(spans =>
        spans.some(span => span.parentSpanId === undefined && name.test(span.name)),
      )
    for (const spans of traces.values())
      expect(spans.filter(({ parentSpanId }) => parentSpanId === undefined).length).toBeLessThan(2)
    for (const spans of begunBy(/^receive /)) {
      expect(new Set(spans.flatMap(span => span.attributes['messaging.destination.name'] ?? [])).size).toBe(1)
      // However many subscribers a node has: what it does for a message is done once.
      const steps = spans.map(span => `${span.name} on ${instance(span)}`)
      expect(steps).toHaveLength(new Set(steps).size)
    }
    // The worker's loops have gone on from the first job to the last, and have taken neither's trace along.
    const jobs = begunBy(/^process rule-/)
    expect(jobs.length).toBeGreaterThan(1)
    for (const spans of jobs)
      expect(spans.map(({ name }) => name).sort()).toEqual(['process rule-shop', 'webhook POST'])
    for (const spans of begunBy(/^process group /))
      for (const { name } of spans) expect(name).toMatch(/^(process group|projection|enqueue) /)
  })
})
