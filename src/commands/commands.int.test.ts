import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CommandNode,
  type CommandNodes,
  commandNodes,
  purseDefinition,
} from '../../test/support/command-nodes.ts'
import { HoldfastError, newEventId } from '../domain/index.ts'
import { createLogger } from '../platform/index.ts'
import { createCommands } from './commands.ts'

let nodes: CommandNodes
let a: CommandNode
let b: CommandNode
let names = 0
const fresh = () => `purse:p${++names}` as const

beforeAll(async () => {
  nodes = await commandNodes()
  ;[a, b] = [await nodes.node(), await nodes.node()]
  for (const { commands } of [a, b]) commands.aggregate(purseDefinition())
})
afterAll(() => nodes.close())

type Request = Parameters<CommandNode['commands']['run']>[0]
const on = (
  node: CommandNode,
  channel: string,
  command: string,
  input?: unknown,
  more: Partial<Request> = {},
) => node.commands.run({ channel, command, input, ...more })
const recorded = async (channel: string) =>
  (await a.tier.log.ledger.readChannel(channel, { limit: 1_000 })).events

test('a command records what is decided in the state that its channel is in', async () => {
  const channel = fresh()
  const opened = await on(a, channel, 'open', { owner: 'anna' })
  expect(opened).toMatchObject({ offset: 1, duplicate: false, events: [{ type: 'Opened', offset: 1 }] })
  expect(opened.epoch).toBe(a.tier.log.ledger.epoch)
  await expect(on(b, channel, 'open', { owner: 'ben' })).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    message: 'it is open already',
  })
  expect((await on(b, channel, 'pay', { cents: 10 })).offset).toBe(2)
  // `a` knows the channel as it was; what it has not seen counts all the same.
  expect((await on(a, channel, 'spend', { parts: [3, 4, 2] })).events.map(({ offset }) => offset)).toEqual([
    3, 4, 5,
  ])
  await expect(on(b, channel, 'spend', { parts: [2] })).rejects.toThrow('only 1 cents')
  expect((await recorded(channel)).map(({ type, data }) => `${type} ${data}`)).toEqual([
    'Opened {"owner":"anna"}',
    'Paid {"cents":10}',
    ...[3, 4, 2].map(cents => `Spent {"cents":${cents}}`),
  ])
})

test('nothing to do is an answer, with the place of the state', async () => {
  const channel = fresh()
  expect(await on(a, channel, 'double')).toMatchObject({ offset: 0, events: [], duplicate: false })
  await on(b, channel, 'pay', { cents: 1 })
  expect((await on(a, channel, 'double')).offset).toBe(2)
  await on(b, channel, 'spend', { parts: [2] })
  expect(await on(a, channel, 'double')).toMatchObject({ offset: 3, events: [] })
  expect(await on(a, channel, 'spend', { parts: [] })).toMatchObject({ offset: 3, events: [] })
})

test('a repetition on any node is answered with what the first has done, and decides nothing', async () => {
  const channel = fresh()
  await on(a, channel, 'pay', { cents: 10 })
  const id = newEventId()
  const first = await on(a, channel, 'spend', { parts: [6, 2] }, { id })
  await on(b, channel, 'pay', { cents: 1 })
  for (const node of [a, b]) {
    expect(await on(node, channel, 'spend', { parts: [6, 2] }, { id: id.toUpperCase() })).toEqual({
      ...first,
      duplicate: true,
    })
    // Whatever comes under the id, also what could be recorded: one id is one command.
    expect(await on(node, channel, 'spend', { parts: [1] }, { id })).toEqual({ ...first, duplicate: true })
    expect(await on(node, channel, 'pay', { cents: 6 }, { id })).toEqual({ ...first, duplicate: true })
  }
  // On a node that has never seen the channel, too.
  const c = await nodes.node()
  c.commands.aggregate(purseDefinition())
  expect(await on(c, channel, 'spend', { parts: [6, 2] }, { id })).toEqual({ ...first, duplicate: true })
  expect(await recorded(channel)).toHaveLength(4)
})

test('the same command at once on several nodes has its effect once', async () => {
  for (let round = 0; round < 10; round++) {
    const channel = fresh()
    await on(a, channel, 'pay', { cents: 10 })
    const id = newEventId()
    const done = await Promise.all(
      [a, b, a, b].map(node => on(node, channel, 'spend', { parts: [4, 5] }, { id })),
    )
    expect(done.map(({ offset }) => offset)).toEqual([3, 3, 3, 3])
    expect(done.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(await recorded(channel)).toHaveLength(3)
  }
})

test('of commands at once each is decided in the state that the one before has left', async () => {
  const channel = fresh()
  await on(a, channel, 'pay', { cents: 5 })
  const ends = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => on(i % 2 ? a : b, channel, 'spend', { parts: [1] })),
  )
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
  for (const end of ends) if (end.status === 'rejected') expect(end.reason.code).toBe('REQUEST_INVALID')
})

test('bad input, unknown commands and channels, and faults of the application are told apart', async () => {
  const channel = fresh()
  const cases: [string, string, unknown, string, Partial<Request>?][] = [
    [channel, 'pay', { cents: -1 }, 'PAYLOAD_INVALID'],
    [channel, 'pay', undefined, 'PAYLOAD_INVALID'],
    [channel, 'pay', { cents: 1 }, 'REQUEST_INVALID', { id: 'no uuid' }],
    [channel, 'constructor', {}, 'METHOD_UNKNOWN'],
    [channel, 'fail', {}, 'INTERNAL'],
    [channel, 'later', {}, 'INTERNAL'],
    [channel, 'flood', { events: 101 }, 'INTERNAL'],
    [channel, 'flood', { characters: 5_000_000 }, 'INTERNAL'],
    [channel, 'flood', { type: '' }, 'INTERNAL'],
    [channel, 'flood', { type: 'x'.repeat(256) }, 'PAYLOAD_INVALID'],
    ['room:1', 'pay', { cents: 1 }, 'NOT_AVAILABLE'],
    ['purse:1:2', 'pay', { cents: 1 }, 'NOT_AVAILABLE'],
    ['attic:1', 'pay', { cents: 1 }, 'CHANNEL_UNKNOWN'],
    ['holdfast:erasures', 'pay', { cents: 1 }, 'CHANNEL_UNKNOWN'],
    ['no channel', 'pay', { cents: 1 }, 'CHANNEL_INVALID'],
  ]
  for (const [where, command, input, code, more] of cases) {
    await expect(on(a, where, command, input, more), `${where} ${command}`).rejects.toMatchObject({ code })
  }
  const { details } = await on(a, channel, 'pay', { cents: 'x' }).catch(error => error)
  expect(details).toMatchObject({ path: 'cents', told: expect.stringContaining('pay at cents: ') })
  expect(await recorded(channel)).toEqual([])
})

test('what a declaration gives back takes commands and shows states of its own channels only', async () => {
  const node = await nodes.node()
  const purse = node.commands.aggregate(purseDefinition())
  const channel = fresh()
  expect(await purse.load(channel)).toMatchObject({ state: { owner: null, cents: 0 }, offset: 0 })
  expect((await purse.command(channel, 'pay', { cents: 4 })).offset).toBe(1)
  await on(a, channel, 'pay', { cents: 5 })
  expect(await purse.load(channel)).toMatchObject({ state: { cents: 9 }, offset: 2 })
  for (const call of [purse.command('room:1' as never, 'pay', { cents: 4 }), purse.load('room:1' as never)]) {
    await expect(call).rejects.toMatchObject({ code: 'CHANNEL_INVALID' })
  }
})

test('a handle does not carry out what an earlier declaration has taken', async () => {
  const { commands } = await nodes.node()
  const wide = commands.aggregate(purseDefinition())
  const narrow = commands.aggregate({ ...purseDefinition(undefined, 'purse:vip' as never), name: 'vip' })
  expect((await wide.command('purse:vip', 'pay', { cents: 4 })).offset).toBe(1)
  const channel = 'purse:vip' as never
  for (const call of [narrow.command(channel, 'pay', { cents: 4 }), narrow.load(channel)]) {
    await expect(call).rejects.toMatchObject({ code: 'CHANNEL_INVALID' })
  }
})

/** A node's own commands over a ledger of which something is looked at, or is another's answer. */
function commandsOver(tier: CommandNode['tier'], instead: Partial<CommandNode['tier']['log']['ledger']>) {
  const ledger = new Proxy(tier.log.ledger, {
    get(target, name) {
      if (Object.hasOwn(instead, name)) return Reflect.get(instead, name)
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { namespaces } = nodes
  const logger = createLogger('silent')
  const log = { ...tier.log, ledger }
  const { appendTogether } = tier
  const over = { log, appendTogether } as unknown as CommandNode['tier']
  const commands = createCommands({ tier: over, namespaces, check: undefined, hookTimeoutMs: 2_000, logger })
  commands.aggregate(purseDefinition())
  return commands
}

test('a command that nobody waits for any more reads nothing', async () => {
  const { tier } = await nodes.node()
  const { ledger } = tier.log
  let reads = 0
  const query: typeof ledger.query = work => {
    reads++
    return ledger.query(work)
  }
  const commands = commandsOver(tier, { query })
  const run = (wanted: () => void) =>
    commands.run({ channel: fresh(), command: 'pay', input: { cents: 1 }, wanted })
  await run(() => undefined)
  expect(reads).toBeGreaterThan(0)
  reads = 0
  const gone = () => {
    throw new HoldfastError('DEPENDENCY_TIMEOUT', 'gone')
  }
  await expect(run(gone)).rejects.toThrow('gone')
  expect(reads).toBe(0)
  await commands.close()
})

test('what is recorded already and cannot be found is no conflict: it is to be repeated', async () => {
  const { tier } = await nodes.node()
  const commands = commandsOver(tier, { offsetOf: async () => undefined })
  const sent = { channel: fresh(), command: 'pay', input: { cents: 1 }, id: newEventId() }
  await commands.run(sent)
  await expect(commands.run(sent)).rejects.toMatchObject({ code: 'DEPENDENCY_FAILED' })
  expect((await a.commands.run(sent)).duplicate).toBe(true)
  await commands.close()
})

test('a state that evolve has changed and then thrown at is not kept', async () => {
  const { commands } = await nodes.node()
  let failing = false
  const evolve = (state: { events: number }) => {
    state.events++
    if (failing) throw new TypeError('a fault of the application')
    return undefined
  }
  const counter = commands.aggregate({
    ...{ pattern: 'purse:{id}', initial: { events: 0 }, evolve },
    commands: { note: { decide: () => ({ type: 'Noted', data: null }) } },
  } as const)
  const channel = fresh()
  await counter.command(channel, 'note', {})
  expect((await counter.load(channel)).state).toEqual({ events: 1 })
  await on(a, channel, 'pay', { cents: 1 })
  failing = true
  await expect(counter.load(channel)).rejects.toMatchObject({ code: 'INTERNAL' })
  failing = false
  expect((await counter.load(channel)).state).toEqual({ events: 2 })
})

test('a client may do what the command allows it, and nothing else', async () => {
  const channel = fresh()
  const as = (user: string) => ({ caller: { user, client: 'c1' }, info: { user, client: 'c1' } })
  const { offset } = await on(a, channel, 'open', { owner: 'anna' }, as('anna'))
  expect(offset).toBe(1)
  expect((await recorded(channel))[0]?.meta).toBe('{"user":"anna","client":"c1"}')
  for (const [command, input] of [
    ['open', { owner: 'anna' }],
    ['pay', { cents: 1 }],
    ['spend', { parts: [1] }],
  ] as const) {
    await expect(on(a, channel, command, input, as('ben'))).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
  }
  await on(a, channel, 'pay', { cents: 3 })
  const own = channel.slice('purse:'.length)
  expect((await on(a, channel, 'spend', { parts: [1] }, as(own))).offset).toBe(3)
})

test('a definition that cannot be right is refused', async () => {
  const { commands } = await nodes.node()
  const good = purseDefinition()
  commands.aggregate(good)
  const bad = [
    good,
    { ...good, name: 'other' },
    { ...good, pattern: 'purse:{other}', name: 'purse:{id}' },
    { ...good, pattern: 'room:{id}' },
    { ...good, pattern: 'attic:{id}' },
    { ...good, pattern: 'purse:{' },
    { ...good, pattern: 'purse:x', initial: undefined },
    { ...good, pattern: 'purse:x', initial: { made: () => 0 } },
    { ...good, pattern: 'purse:x', initial: new (class Purse {})() },
    { ...good, pattern: 'purse:x', commands: { pay: {} } },
    { ...good, pattern: 'purse:x', commands: { pay: { decide: () => [], schema: {} } } },
    { ...good, pattern: 'purse:x', snapshots: { every: 0, version: 1 } },
  ]
  for (const definition of bad) {
    expect(() => commands.aggregate(definition as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  }
})
