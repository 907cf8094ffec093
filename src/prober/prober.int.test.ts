import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { until } from '../../test/support/until.ts'
import { CanaryPass } from './pass.ts'
import { Prober } from './prober.ts'
import { CanaryRecord } from './record.ts'
import { Tallies } from './tallies.ts'

type Command = { id: number } & Record<'connect' | 'subscribe' | 'publish', { channel: string } | undefined>

/** A node that lets canaries into its realtime tier alone: the durable one it refuses, or does not answer for. */
let server: WebSocketServer
let durable: 'refuses' | 'says nothing'
let prober: Prober
let tallies: Tallies
let subscribed: number

beforeEach(async () => {
  // Half a minute goes by without anybody waiting for it; timers and sockets are real.
  vi.useFakeTimers({ toFake: ['performance'] })
  subscribed = 0
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', socket =>
    socket.on('message', frame => {
      const { id, ...command } = JSON.parse(frame.toString()) as Command
      const channel = command.subscribe?.channel ?? command.publish?.channel
      if (command.subscribe && channel?.startsWith('~durable')) {
        subscribed++
        if (durable === 'refuses')
          socket.send(JSON.stringify({ id, error: { code: 100, message: 'internal' } }))
        return
      }
      socket.send(JSON.stringify({ id, [Object.keys(command)[0] ?? '']: {} }))
      if (command.publish) socket.send(JSON.stringify({ push: { channel, pub: command.publish } }))
    }),
  )
  await once(server, 'listening')
  tallies = new Tallies(['realtime', 'durable'])
  prober = new Prober({
    node: 'a',
    address: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ pass: new CanaryPass(), tiers: ['realtime', 'durable'], tallies, record: new CanaryRecord() },
    ...{ intervalMs: 20, deadlineMs: 100, others: () => [], logger: pino({ level: 'silent' }) },
    bus: () => ({ connected: true, since: 0 }),
    mayAppend: () => true,
  })
})
afterEach(async () => {
  await prober.close()
  for (const client of server.clients) client.terminate()
  await new Promise(closed => server.close(closed))
  vi.useRealTimers()
})

const line = (tier: string | undefined, path: string) => {
  for (const each of tallies.totals())
    if (each.subject.tier === tier && each.subject.path === path) return each
  throw new Error(`nothing is probed by ${tier} ${path}`)
}

it.each([
  ['refuses', 'refused'],
  ['says nothing', 'unanswered'],
] as const)(
  'a tier that never lets its canary in fails after half a minute, where the node %s, and the other is judged by itself',
  async (does, reason) => {
    durable = does
    prober.start()
    await until('the other tier is probed', () => line('realtime', 'local').outcomes.succeeded > 0)
    await until('it was asked again', () => subscribed > 2)
    expect(line('durable', 'local').outcomes.failed).toBe(0)
    expect(tallies.age(line('durable', 'local'))).toBeGreaterThanOrEqual(0)
    vi.advanceTimersByTime(31_000)
    await until('it has failed', () => line('durable', 'local').outcomes.failed > 1)
    expect([...line('durable', 'local').failures.keys()]).toEqual([reason])
    expect(line('durable', 'accept').outcomes.failed).toBe(0)
    // Of the way to other nodes, of which there may be none, nothing is known.
    expect(tallies.age(line('durable', 'other'))).toBeUndefined()
  },
)
