import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CommandNode,
  type CommandNodes,
  commandNodes,
  type Purse,
  type PurseEvent,
  purseDefinition,
} from '../../test/support/command-nodes.ts'
import { seeded } from '../../test/support/seeded.ts'
import { eventIdFrom, HoldfastError, newEventId, type StoredEvent } from '../domain/index.ts'
import type { Commanded } from './types.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const definition = purseDefinition({ every: 7, version: 1 })
const initial: Purse = definition.initial

let nodes: CommandNodes
let all: CommandNode[]

beforeAll(async () => {
  nodes = await commandNodes()
  all = [await nodes.node(), await nodes.node(), await nodes.node()]
  for (const { commands } of all) commands.aggregate(definition)
})
afterAll(() => nodes.close())

interface Sent {
  readonly channel: string
  readonly command: 'pay' | 'spend' | 'double'
  readonly input: { cents: number } | { parts: number[] } | undefined
  readonly id: string
}

/** How one attempt at a command has ended, and between which states of the channel. */
interface Ended extends Sent {
  /** The head when it was asked for, as far as answers had told it; and afterwards, as the ledger says it. */
  readonly from: number
  readonly to: number
  readonly end: Commanded | HoldfastError
}

function madeUp(random: () => number, channel: string): Sent {
  const number = (most: number) => 1 + Math.floor(random() * most)
  const kind = random()
  const id = newEventId()
  if (kind < 0.4) return { channel, command: 'pay', input: { cents: number(5) }, id }
  if (kind < 0.5) return { channel, command: 'double', input: undefined, id }
  return {
    channel,
    command: 'spend',
    input: { parts: Array.from({ length: number(3) }, () => number(4)) },
    id,
  }
}

/** What the command says in a state, by the definition alone. */
function said({ channel, command, input, id }: Sent, state: Purse): readonly PurseEvent[] | string {
  const { decide } = definition.commands[command] as {
    decide: (...given: unknown[]) => PurseEvent | readonly PurseEvent[]
  }
  try {
    const events = decide(state, input, { channel, params: {}, time: 0, id })
    return Array.isArray(events) ? events : [events as PurseEvent]
  } catch (error) {
    return (error as Error).message
  }
}

function fold(events: readonly StoredEvent[]): Purse[] {
  const states = [initial]
  for (const { type, data, ...place } of events) {
    const event = { type, data: JSON.parse(data) } as PurseEvent
    states.push(definition.evolve(states.at(-1) ?? initial, event, place) ?? initial)
  }
  return states
}

/** Several at once on each channel, over all nodes, some of them twice; `attempts` for each until it is answered. */
async function run(random: () => number, channels: readonly string[], rounds: number, attempts: number) {
  const ended: Ended[] = []
  const heads = new Map<string, number>()
  const attempt = async (node: CommandNode, sent: Sent): Promise<void> => {
    const from = heads.get(sent.channel) ?? 0
    for (let left = attempts; ; left--) {
      const end = await node.commands.run(sent).catch((error: HoldfastError) => error)
      if (end instanceof HoldfastError && end.remedy === 'retry_later' && left > 1) {
        await new Promise(resolve => setTimeout(resolve, 20))
        continue
      }
      const page = await node.tier.log.ledger.readChannel(sent.channel, { limit: 1 }).catch(() => undefined)
      if (!(end instanceof HoldfastError)) {
        heads.set(sent.channel, Math.max(heads.get(sent.channel) ?? 0, end.offset))
      }
      ended.push({ ...sent, from, to: page?.head ?? Number.MAX_SAFE_INTEGER, end })
      return
    }
  }
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  for (let round = 0; round < rounds; round++) {
    const batch = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
      const sent = madeUp(random, pick(channels))
      return random() < 0.3 ? [sent, sent] : [sent]
    }).flat()
    await Promise.all(batch.map(sent => attempt(pick(all), sent)))
  }
  return ended
}

/** Whether there is one order of all commands that says the same: that of the events, and of the states between them. */
async function judge(channel: string, ended: readonly Ended[]): Promise<void> {
  const { events } = await (all[0] as CommandNode).tier.log.ledger.readChannel(channel, { limit: 10_000 })
  const states = fold(events)
  const places = new Map(events.map(({ id }, i) => [id, i]))
  let effects = 0
  for (const [, tries] of Map.groupBy(ended, ({ id }) => id)) {
    const [sent] = tries as [Ended]
    const start = places.get(eventIdFrom(sent.id, '0'))
    const there: StoredEvent[] = []
    if (start !== undefined) {
      // What it has recorded is what it says in the state in front of it: all of it, in one piece, and nothing else.
      const expected = said(sent, states[start] as Purse)
      expect(Array.isArray(expected)).toBe(true)
      there.push(...events.slice(start, start + expected.length))
      const ids = Array.from({ length: expected.length }, (_, i) => eventIdFrom(sent.id, String(i)))
      expect(there.map(({ id }) => id)).toEqual(ids)
      expect(there.map(({ type, data }) => ({ type, data: JSON.parse(data) }))).toEqual(expected)
      effects += there.length
    }
    // One that had nothing to do has left nothing, so its repeat decides anew: only those that have recorded count.
    const recorded = tries.filter(
      ({ end }) => !(end instanceof HoldfastError) && end.events.length > 0 && !end.duplicate,
    )
    expect(recorded.length).toBeLessThan(2)
    for (const { end, from, to } of tries) {
      if (!(end instanceof HoldfastError) && end.events.length > 0) {
        expect(end.events.map(({ id }) => id)).toEqual(there.map(({ id }) => id))
        expect(end.events.map(({ offset }) => offset)).toEqual(there.map(({ offset }) => offset))
        expect(end.offset > from).toBe(true)
        continue
      }
      if (end instanceof HoldfastError && end.code !== 'REQUEST_INVALID') {
        expect(
          end.remedy === 'retry_later' || end.code === 'OFFSET_CONFLICT',
          `${end.code} ${end.message}`,
        ).toBe(true)
        continue
      }
      // What it was refused with, or that there was nothing to do, was so at some time while it was under way.
      const between = states.slice(from, Math.min(to, states.length - 1) + 1)
      const wanted = end instanceof HoldfastError ? end.message : []
      expect(between.map(state => said(sent, state))).toContainEqual(wanted)
    }
  }
  expect(effects, 'every event belongs to a command').toBe(events.length)
}

test(`commands of several nodes at once have the outcome of some order one after the other (seed ${seed})`, async () => {
  const random = seeded(seed)
  // Of this attempt alone: a second one judges its own events only.
  const attempt = newEventId()
  const channels = ['a', 'b', 'c'].map(name => `purse:${name}-${attempt}`)
  const ended = await run(random, channels, 60, 1)
  for (const channel of channels) {
    await judge(
      channel,
      ended.filter(each => each.channel === channel),
    )
  }
  const kinds = ended.map(({ end }) => (end instanceof HoldfastError ? end.code : String(end.duplicate)))
  for (const kind of ['REQUEST_INVALID', 'true', 'false']) expect(kinds).toContain(kind)
  expect(all.reduce((sum, { commands }) => sum + commands.counts.conflicts, 0)).toBeGreaterThan(0)
})

test(`and so they have where the connections of appends and reads are cut again and again (seed ${seed})`, async () => {
  const random = seeded(seed + 1)
  const attempt = newEventId()
  const channels = ['x', 'y'].map(name => `purse:${name}-${attempt}`)
  let running = true
  let cuts = 0
  const killer = (async () => {
    while (running) {
      const cut = await nodes.database.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name in ('holdfast-append', 'holdfast-read')
          and random() < 0.2`
      cuts += cut.length
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  const ended: Ended[] = []
  while (cuts < 15 || ended.length < 60) ended.push(...(await run(random, channels, 5, 50)))
  running = false
  await killer
  for (const channel of channels) {
    await judge(
      channel,
      ended.filter(each => each.channel === channel),
    )
  }
})
