import Fastify from 'fastify'
import type {
  BreakerView,
  BuildView,
  DeliveryView,
  NodeSheet,
  NodeView,
  Part,
  ProbeView,
  Reads,
  Source,
  Writes,
} from '../../src/console/wire.ts'
import { servePage } from '../../src/pages/index.ts'

/** What the console's server would answer, and what it was asked to do: the page alone is under test. */
export interface ScriptedConsole {
  readonly url: string
  readonly reads: { -readonly [Name in keyof Reads]: Reads[Name] }
  readonly acts: { name: string; body: unknown }[]
  /** Paths that answer nothing, or a refusal, instead. */
  readonly failing: Map<string, 'hang' | { status: number; message: string }>
  /** Tokens and their roles; without one nobody has to sign in. */
  readonly tokens: Map<string, 'viewer' | 'operator'>
  /** Everything older by so many milliseconds, as after an outage. */
  close(): Promise<void>
}

export const known = <T>(value: T, source: Part<T>['source'] = 'postgres'): Part<T> => ({
  value,
  source,
  at: Date.now(),
  problem: null,
})

export async function startScriptedConsole(): Promise<ScriptedConsole> {
  const app = Fastify({ forceCloseConnections: true })
  const reads = ordinary()
  const acts: ScriptedConsole['acts'] = []
  const failing: ScriptedConsole['failing'] = new Map()
  const tokens: ScriptedConsole['tokens'] = new Map()
  let moved = 0
  servePage(app, 'console')
  app.all('/console/api/:name', async (request, reply) => {
    const { name } = request.params as { name: string }
    const role = tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''))
    if (tokens.size > 0 && role === undefined)
      return refuse(reply, 401, 'NOT_AUTHENTICATED', 'this token is not known: use one of console.tokens')
    const failure = failing.get(name)
    if (failure === 'hang') return reply.hijack()
    if (failure) return refuse(reply, failure.status, 'UNAVAILABLE', failure.message)
    if (request.method === 'GET') {
      const body = { ...reads[name as keyof Reads], time: Date.now() }
      return name === 'me' ? { ...body, role: role ?? 'operator', open: tokens.size === 0 } : body
    }
    if (role === 'viewer' && !name.endsWith('_preview'))
      return refuse(reply, 403, 'NOT_PERMITTED', 'operators only')
    acts.push({ name, body: request.body })
    return act(name as keyof Writes, request.body)
  })
  const act = (name: keyof Writes, body: unknown): Writes[keyof Writes]['answer'] => {
    if (name === 'parked_preview') {
      const { act: wished } = body as Writes['parked_preview']['body']
      const parked = reads.parked.parked.value
      const count = parked?.count ?? 0
      const reasons = [{ consumer: 'group/receipts', reason: 'no such account', count }]
      return { preview: 'p1', act: wished, count, reasons, sample: parked?.deliveries ?? [] }
    }
    const total = reads.parked.parked.value?.count ?? 0
    const progress = { id: 'b1', act: 'redrive' as const, total, notParked: 0, problem: null }
    if (name === 'parked_act') return { ...progress, changed: 0, done: false }
    if (name === 'parked_progress') {
      moved = Math.min(moved + 2, total)
      return { ...progress, changed: moved, done: moved === total }
    }
    const done = { says: `done: ${name}`, changed: true }
    return name === 'message'
      ? { ...done, tier: 'durable', offset: 4, epoch: 'e1', id: null, tookMs: 3 }
      : done
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/console/`,
    reads,
    acts,
    failing,
    tokens,
    close: () => app.close(),
  }
}

interface Reply {
  code(status: number): { send(body: unknown): unknown }
}

function refuse(reply: Reply, status: number, code: string, message: string): unknown {
  return reply.code(status).send({ error: { code, message, temporary: false } })
}

const minute = 60_000

/** Two nodes on a quiet night. */
function ordinary(): ScriptedConsole['reads'] {
  const now = Date.now()
  const sources = (['node', 'bus', 'postgres'] as const).map(
    (name): Source => ({ name, state: 'answering', answeredAt: now, problem: null }),
  )
  const nodes = ['node-a', 'node-b'].map((name, index) => nodeView(name, index === 0, now))
  const probes = nodes.flatMap(({ sheet }) => sheet.probes.map(probe => ({ node: sheet.name, ...probe })))
  const of = (tier: ProbeView['tier']) => ({
    verdict: 'good' as const,
    says: 'Every canary of the last minute was heard, by its own node and by the others.',
    probes: probes.filter(probe => probe.tier === tier),
  })
  const marks = [
    { kind: 'act' as const, node: null, says: 'console:ann paused the group receipts', details: {} },
    {
      kind: 'breaker' as const,
      node: 'node-b',
      says: 'The breaker of bus passes again',
      details: { role: 'bus', state: 'passing' },
    },
    {
      kind: 'breaker' as const,
      node: 'node-b',
      says: 'The breaker of bus rejects: no answer within 1000 ms',
      details: { role: 'bus', state: 'rejecting' },
    },
    {
      kind: 'config_changed' as const,
      node: 'node-b',
      says: 'Started with another configuration',
      details: {},
    },
    { kind: 'node_started' as const, node: 'node-b', says: 'Started, release 0.1.0', details: {} },
    { kind: 'node_started' as const, node: 'node-a', says: 'Started, release 0.1.0', details: {} },
  ].map((mark, index) => ({ ...mark, id: `m${index}`, time: now - (index * 13 + 2) * minute }))
  return {
    me: {
      name: 'ann',
      role: 'operator',
      open: true,
      node: { id: 'n1', name: 'node-a', version: '0.1.0' },
      tail: true,
      time: now,
    },
    overview: {
      time: now,
      sources,
      nodes,
      lost: {
        verdict: 'good',
        says: 'Every acknowledged event that was checked is there.',
        lost: 0,
        checked: 48_213,
        auditedAt: now - 40_000,
      },
      tiers: { realtime: of('realtime'), durable: of('durable') },
      marks: known(marks),
      readOnly: [],
      skew: { versions: ['0.1.0'], configs: ['3fa91c'] },
    },
    lags: {
      time: now,
      sources,
      lags: known([
        { part: 'group', name: 'receipts', events: 1_204, seconds: 31.4, note: '3 parked' },
        { part: 'projection', name: 'quakes_by_region build 7', events: 12, seconds: 0.4, note: null },
        { part: 'cursor', name: 'chat/inbox', events: 90_412, seconds: null, note: null },
        { part: 'outbox', name: 'outbox', events: 0, seconds: 0, note: null },
      ]),
      nodes: known(
        [
          { part: 'mirror', name: 'node-a', events: 0, seconds: 0, note: null },
          { part: 'event_loop', name: 'node-a', events: null, seconds: 0.004, note: null },
        ],
        'bus',
      ),
    },
    top: {
      time: now,
      seconds: 2,
      nodes: ['node-a', 'node-b'],
      silent: [],
      channels: [
        { channel: 'room:lobby', subscribers: 412, publications: 31.5, deliveries: 12_978, error: 0 },
        { channel: 'chat:team', subscribers: 12, publications: 1.5, deliveries: 18, error: 0.5 },
      ],
      users: [
        { user: 'ann', connections: 3, subscriptions: 14, mailboxBytes: 0, publications: 12 },
        { user: '', connections: 41, subscriptions: 80, mailboxBytes: 12_800, publications: 0 },
      ],
    },
    rates: ratesOf(now, sources),
    marks: { time: now, sources, marks: known(marks), next: null },
    acts: {
      time: now,
      acts: known([
        act(2, 'pause group', 'receipts', 'the bank is down', 'done'),
        act(1, 'tail', 'chat:team', null, 'done'),
      ]),
      next: null,
    },
    event: { time: now, stories: known([storyOf(now)]) },
    parked: { time: now, parked: known({ deliveries: deliveriesOf(now), count: 6, next: null }) },
    projections: { time: now, projections: known([projectionOf(now)]) },
    groups: {
      time: now,
      groups: known([
        groupOf('receipts', { events: 1_204, seconds: 31.4 }, 3),
        groupOf('holdfast.projection-quakes_by_region-7', { events: 0, seconds: 0 }, 0),
      ]),
    },
    jobs: jobsOf(now),
    namespaces: {
      time: now,
      namespaces: [
        { name: 'chat', tier: 'durable', channels: 3, subscriptions: 41, readOnly: null },
        { name: 'room', tier: 'realtime', channels: 9, subscriptions: 412, readOnly: null },
      ],
      switches: known(0),
    },
  }
}

function act(id: number, what: string, target: string, reason: string | null, outcome: string) {
  return {
    id,
    time: Date.now() - (3 - id) * minute,
    actor: 'console:ann',
    act: what,
    target,
    reason,
    outcome,
  }
}

function nodeView(name: string, own: boolean, now: number): NodeView {
  const breakers = ['bus', 'log', 'jobs', 'ledger'].map(
    (role): BreakerView => ({
      role,
      state: 'passing',
      since: now - 90 * minute,
      reason: '',
      heldBy: null,
      changes: 0,
    }),
  )
  const probes = (['realtime', 'durable'] as const).flatMap(tier =>
    ['accept', 'local', 'other'].map(path => ({
      tier,
      path,
      succeeded: 30,
      failed: 0,
      degraded: 0,
      latencyMs: tier === 'realtime' ? 1.4 : 5.2,
      at: now - 900,
      reason: null,
    })),
  )
  const sheet: NodeSheet = {
    id: name,
    name,
    version: '0.1.0',
    runtime: 'v24.21.0',
    role: 'all',
    startedAt: now - 5 * 60 * minute,
    time: now,
    everySeconds: 2,
    url: own ? null : 'https://node-b.example/console',
    config: '3fa91c',
    health: 'ready',
    advice: null,
    draining: false,
    parts: { bus: 'ready', mirror: 'ready', ledger: 'ready', epoch: 'kX3v' },
    connections: 1_204,
    channels: 312,
    mailbox: { bytes: 12_800, largest: 4_096 },
    eventLoopLag: 0.004,
    mirrorLag: { events: 0, seconds: 0 },
    memory: 0.31,
    shedding: [],
    breakers,
    perSecond: { 'delivered.realtime': 6_412.5, 'delivered.durable': 214.2, dropped: 0 },
    disconnects: { peer: 12, '3008': 1 },
    probes,
    audit: own
      ? {
          ...{ lost: 0, checked: 48_213, mismatches: {}, running: true },
          ...{ completedAt: now - 40_000, wholeFrom: now - 900_000, everySeconds: 30 },
        }
      : null,
    readOnly: [],
  }
  return { sheet, own, via: own ? 'node' : 'bus', at: now - (own ? 0 : 900), heard: true }
}

function ratesOf(now: number, sources: readonly Source[]): Reads['rates'] {
  const at = Array.from(
    { length: 60 },
    (_, index) => Math.floor(now / minute) * minute - (59 - index) * minute,
  )
  const wave = (size: number, shift: number) =>
    at.map((_, index) => size * (1 + 0.3 * Math.sin((index + shift) / 7) + 0.05 * Math.sin(index * 3)))
  const series = (shift: number) => ({
    'delivered.realtime': wave(12_000, shift),
    'delivered.durable': wave(420, shift),
    'published.realtime': wave(80, shift),
    'published.durable': wave(9, shift),
    connects: wave(1.2, shift),
    disconnects: wave(1.1, shift),
  })
  return {
    time: now,
    sources,
    stepSeconds: 60,
    at,
    now: known(series(0)),
    lastWeek: known(series(5)),
    disconnects: known({ peer: 4_012, '3001': 1_180, '3008': 7 }),
    disconnectsLastWeek: known({ peer: 3_980, '3008': 2 }),
    connections: known(wave(2_400, 0)),
    connectionsLastWeek: known(wave(2_300, 5)),
  }
}

function deliveriesOf(now: number): DeliveryView[] {
  return Array.from({ length: 6 }, (_, index) => ({
    id: index + 11,
    consumer: 'group/receipts',
    channel: `order:${index + 1}`,
    offset: index + 3,
    partition: 4,
    position: 100 + index,
    eventId: `018f2e66-1c8a-7d1e-9e6d-0c4fb1a4e6a${index}`,
    eventType: 'PaymentCaptured',
    state: 'parked',
    attempts: 10,
    reason: 'no such account',
    created: now - 80 * minute,
    updated: now - (20 + index) * minute,
    actor: null,
  }))
}

function storyOf(now: number): NonNullable<Reads['event']['stories']['value']>[number] {
  const consumer = {
    consumer: 'group/receipts',
    state: 'parked',
    delivery: 11,
    attempts: 10,
    reason: 'no such account',
    due: null,
    updated: now - 20 * minute,
    actor: null,
  }
  return {
    eventId: '018f2e66-1c8a-7d1e-9e6d-0c4fb1a4e6a0',
    channel: 'order:1',
    offset: 3,
    partition: 4,
    position: 100,
    type: 'PaymentCaptured',
    recorded: now - 90 * minute,
    ledger: 'recorded',
    mirrored: true,
    subscribers: 2,
    data: '{"cents":4200}',
    consumers: [
      consumer,
      { ...consumer, consumer: 'rule/partner', state: 'done', delivery: null, reason: null },
    ],
    acts: [
      { time: now - minute, actor: 'console:ann', act: 'redrive', target: 'group/receipts', reason: null },
    ],
  }
}

function projectionOf(now: number): NonNullable<Reads['projections']['projections']['value']>[number] {
  const build = (id: number, state: string, done: number): BuildView => ({
    build: id,
    version: 2,
    state,
    group: `holdfast.projection-quakes_by_region-${id}`,
    tables: ['regions'],
    progress: {
      done,
      total: 120_000,
      rate: state === 'building' ? 15_400 : null,
      secondsLeft: state === 'building' ? 4 : null,
    },
    members: 2,
    paused: false,
    lag: { events: 120_000 - done, seconds: state === 'building' ? 3_600 : 0 },
    open: { parked: 0, retrying: 0, waiting: 0 },
    created: now - 600 * minute,
    caughtUp: state === 'building' ? null : now - 599 * minute,
    switched: state === 'active' ? now - 598 * minute : null,
    switchedBy: state === 'active' ? 'holdfast' : null,
    requestedBy: null,
  })
  return {
    name: 'quakes_by_region',
    active: 7,
    version: 2,
    builds: [build(7, 'active', 120_000), build(8, 'building', 61_300), build(6, 'standby', 119_990)],
  }
}

function groupOf(name: string, lag: { events: number; seconds: number }, parked: number) {
  return {
    name,
    mode: 'ordered' as const,
    paused: false,
    namespaces: ['order'],
    created: Date.now() - 900 * minute,
    members: 2,
    total: 120_000,
    lag,
    open: { parked, retrying: 0, waiting: 0 },
  }
}

function jobsOf(now: number): Reads['jobs'] {
  return {
    time: now,
    rules: known([
      {
        name: 'partner',
        channel: 'order:*',
        types: ['OrderPlaced'],
        target: 'webhook',
        to: 'https://shop.example/hooks',
        declared: true,
        created: now - 900 * minute,
        queued: 4,
        failing: 1,
        parked: 0,
        oldestOpen: now - 90_000,
      },
    ]),
    schedules: known([
      {
        name: 'open',
        act: 'append',
        channel: 'shop:1',
        type: 'Opened',
        cron: '0 8 * * 1-5',
        zone: 'Europe/Berlin',
        everySeconds: null,
        due: now + 300 * minute,
        lastDue: now - 1_140 * minute,
        failure: null,
        paused: false,
        resting: false,
      },
    ]),
    webhooks: known([
      {
        rule: 'partner',
        failures: 3,
        failingSince: now - 4 * minute,
        disabledAt: null,
        reason: 'answered 503',
        parked: 0,
        open: 4,
      },
    ]),
    outbox: known({ waiting: 0, oldestSeconds: 0, refused: 0 }),
  }
}
