import { seeded } from '../support/seeded.ts'
import { expectedModels } from './folds.ts'
import type { Attempt, Channel, Delivery, Model, Outcome, Recorded, Stored } from './types.ts'

/** A record that may be changed before it is judged. */
export type Draft = {
  -readonly [Key in keyof Recorded]: Recorded[Key] extends readonly (infer Each)[]
    ? { -readonly [Inner in keyof Each]: Each[Inner] }[]
    : Recorded[Key]
}

const channels: readonly Channel[] = [
  { name: 'room:1', tier: 'realtime', recoverable: false },
  { name: 'recent:1', tier: 'realtime', recoverable: true },
  { name: 'order:1', tier: 'durable', recoverable: false },
  { name: 'order:2', tier: 'durable', recoverable: false },
]
const account: Channel = { name: 'account:1', tier: 'durable', recoverable: false, commands: true }

/**
 * A run in which every promise is kept, drawn from a seed: two nodes, two subscribers on each, a fault between 4 s and
 * 8 s in which signals don't cross nodes (those of the channel that recovers are told) and some appends get no
 * answer, of which some are stored.
 */
export function generatedRun(seed: number): Draft {
  const random = seeded(seed)
  const names = [...channels, account].map(({ name }) => name)
  const writers = [0, 1].map(node => ({ name: `w${node}`, node, channels: names }))
  const subscribers = [0, 0, 1, 1].map((node, i) => ({ name: `s${i}`, node, channels: names }))
  const attempts: Attempt[] = []
  const deliveries: Delivery[] = []
  const stored = new Map<string, { value: string; offset: number }[]>([
    ['order:1', []],
    ['order:2', []],
  ])
  const sequences = new Map<string, number>()
  for (let at = 1_000; at < 16_000; at += 20 + 20 * random()) {
    const writer = writers[random() < 0.5 ? 0 : 1] ?? { name: '', node: 0 }
    const channel = channels[Math.floor(random() * channels.length)]
    if (!channel) continue
    const faulty = at > 4_000 && at < 8_000
    const place = `${writer.name} ${channel.name}`
    const sequence = (sequences.get(place) ?? 0) + 1
    sequences.set(place, sequence)
    const value = `${place} ${sequence}`
    const unanswered = faulty && channel.tier === 'durable' && random() < 0.3
    const refused = faulty && !unanswered && random() < 0.05
    const outcome: Outcome = unanswered ? 'unknown' : refused ? 'failed' : 'ok'
    const written = channel.tier === 'durable' && !refused && (!unanswered || random() < 0.5)
    const store = stored.get(channel.name)
    const offset = written && store ? store.length + 1 : undefined
    if (offset !== undefined) store?.push({ value, offset })
    const known = outcome === 'ok' && offset !== undefined
    attempts.push({
      channel: channel.name,
      writer: writer.name,
      sequence,
      value,
      sentAt: at,
      endedAt: at + 5,
      outcome,
      ...(known && { offset }),
    })
    for (const subscriber of subscribers) {
      const across = subscriber.node !== writer.node
      const arrives = channel.tier === 'durable' ? written : !refused && !(faulty && across)
      if (!arrives) continue
      const delivery = { channel: channel.name, subscriber: subscriber.name, value, at: at + 6 }
      deliveries.push(offset === undefined ? delivery : { ...delivery, offset })
    }
  }
  const decided = commandsOf(
    seeded(seed + 7),
    writers.map(({ name }) => name),
  )
  attempts.push(...decided.attempts)
  for (const { value, offset } of decided.values)
    for (const { name: subscriber } of subscribers) {
      const at = (attempts.find(each => each.value === value)?.sentAt ?? 0) + 6
      deliveries.push({ channel: account.name, subscriber, value, offset, at })
    }
  const all = [
    ...[...stored].map(([channel, own]): Stored => ({ channel, values: own })),
    { channel: account.name, values: decided.values },
  ]
  const values = all.flatMap(each => each.values.map(({ value }) => value))
  return {
    channels: [...channels, account],
    writers,
    subscribers,
    attempts,
    deliveries,
    told: subscribers.map(({ name }) => ({ channel: 'recent:1', subscriber: name, at: 8_100 })),
    stored: all,
    effects: ['ordered', 'competing'].map(processor => ({
      processor,
      times: Object.fromEntries(values.map(value => [value, 1])),
    })),
    models: modelsOf(all),
    memory: [],
    deaths: [],
    stallMs: 0,
    phases: { steadyAt: 1_000, injectedAt: 4_000, healedAt: 8_000, stoppedAt: 16_000, drainedAt: 16_100 },
  }
}

/** What read models say where nothing is wrong. */
export function modelsOf(stored: readonly Stored[]): Model[] {
  return Object.entries(expectedModels(stored)).map(([projection, rows]) => ({ projection, rows }))
}

/** Commands of one to three events each, one after the other; under the fault some get no answer, and half of those are there. */
function commandsOf(random: () => number, writers: readonly string[]) {
  const attempts: Attempt[] = []
  const values: Stored['values'][number][] = []
  let before = 0
  for (let at = 1_000, n = 1; at < 16_000; at += 100 + 100 * random(), n++) {
    const of = 1 + Math.floor(random() * 3)
    const unanswered = at > 4_000 && at < 8_000 && random() < 0.3
    const written = !unanswered || random() < 0.5
    const writer = writers[n % writers.length] ?? ''
    const command = `${writer} ${account.name} ${n}.1`
    for (let part = 1; part <= of; part++) {
      const value = `${writer} ${account.name} ${n}.${part}`
      const offset = values.length + 1
      if (written) values.push({ value, offset, decided: { part, of, before } })
      attempts.push({
        ...{
          channel: account.name,
          writer,
          sequence: n * 10 + part,
          value,
          command,
          sentAt: at,
          endedAt: at + 5,
        },
        ...(unanswered ? { outcome: 'unknown' as const } : { outcome: 'ok' as const, offset }),
      })
    }
    if (written) before++
  }
  return { attempts, values }
}
