import { describe, expect, it } from 'vitest'
import { StandInDurable, StandInRealtime } from '../../test/support/stand-in-tiers.ts'
import { parseConfig } from '../platform/index.ts'
import { createRouter, maxPresenceClients } from './router.ts'

const { namespaces } = parseConfig({
  namespaces: { room: { presence: true }, bare: {}, order: { tier: 'durable', joinLeave: true } },
})

describe('the router', () => {
  it('knows a channel by its namespace only', () => {
    const router = createRouter({ namespaces, realtime: new StandInRealtime(), durable: undefined })
    expect(router.options('room:1').tier).toBe('realtime')
    expect(router.options('$order:1').tier).toBe('durable')
    for (const unknown of ['lobby', 'rooms:1', 'toString:1', '__proto__:1', 'constructor:x']) {
      expect(() => router.options(unknown)).toThrow(expect.objectContaining({ code: 'CHANNEL_UNKNOWN' }))
    }
    expect(() => router.options('room:a b')).toThrow(expect.objectContaining({ code: 'CHANNEL_INVALID' }))
  })

  it('makes an event of what is published on a durable channel, the same one of the same key', async () => {
    const durable = new StandInDurable()
    const router = createRouter({ namespaces, realtime: new StandInRealtime(), durable })
    expect(await router.publish({ channel: 'order:1', data: '1.0' })).toEqual({ offset: 1, epoch: 'ledger' })
    await router.publish({ channel: 'order:1', data: '2', idempotencyKey: 'key', type: 'Paid' })
    await router.publish({ channel: 'order:1', data: '2', idempotencyKey: 'key', type: 'Paid' })
    const [first, second, third] = (durable.events.get('order:1') ?? []).map(line => JSON.parse(line))
    expect(first.tags.type).toBe('publication')
    expect(second.tags).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), type: 'Paid' })
    expect(third.tags).toEqual(second.tags)
    await expect(router.publish({ channel: 'order:1', data: '1', tags: { a: 'b' } })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
  })

  it('lets nobody write to what Holdfast itself records', async () => {
    const own = parseConfig({ postgres: { url: 'postgres://localhost/x' } }).namespaces
    const router = createRouter({
      namespaces: own,
      realtime: new StandInRealtime(),
      durable: new StandInDurable(),
    })
    for (const channel of ['holdfast:erasures', '$holdfast:erasures']) {
      const refused = { code: 'NOT_PERMITTED' }
      await expect(router.append({ channel, type: 'EventErased', data: '1' })).rejects.toMatchObject(refused)
      await expect(router.publish({ channel, data: '1' })).rejects.toMatchObject(refused)
    }
  })

  it('answers with who is present up to a bound, and above it says what to ask instead', async () => {
    const realtime = new StandInRealtime()
    const present = new Map<string, { user: string; client: string }>()
    realtime.present.set('room:1', present)
    for (let i = 0; i < maxPresenceClients; i++) present.set(`${i}`, { user: 'u', client: `${i}` })
    const router = createRouter({ namespaces, realtime, durable: undefined })
    expect((await router.presence('room:1')).size).toBe(maxPresenceClients)
    present.set('one more', { user: 'u', client: 'one more' })
    await expect(router.presence('room:1')).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { told: expect.stringContaining('presence_stats') },
    })
    expect(await router.presenceStats('room:1')).toMatchObject({ clients: maxPresenceClients + 1 })
  })

  it('refuses what the tier of the channel does not do', async () => {
    const realtime = new StandInRealtime()
    const router = createRouter({ namespaces, realtime, durable: new StandInDurable() })
    const unavailable = { code: 'NOT_AVAILABLE' }
    await expect(router.append({ channel: 'room:1', type: 'T', data: '1' })).rejects.toMatchObject(
      unavailable,
    )
    await expect(router.history({ channel: 'room:1', limit: 1, reverse: false })).rejects.toMatchObject(
      unavailable,
    )
    await expect(router.presence('bare:1')).rejects.toMatchObject(unavailable)
    await expect(router.presenceStats('bare:1')).rejects.toMatchObject(unavailable)
    await expect(router.signal({ channel: 'order:1', data: '1' })).rejects.toMatchObject(unavailable)
    const alone = createRouter({ namespaces, realtime, durable: undefined })
    await expect(alone.append({ channel: 'order:1', type: 'T', data: '1' })).rejects.toMatchObject(
      unavailable,
    )
    expect(alone.status().durable.ledger).toBe('unreachable')
  })
})
