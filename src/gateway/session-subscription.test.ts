import { describe, expect, it } from 'vitest'
import { Lane, Packet, Turn } from '../hub/index.ts'
import { parseConfig } from '../platform/index.ts'
import { Mailbox } from './mailbox.ts'
import { SessionSubscription } from './session-subscription.ts'

const { namespaces } = parseConfig({ namespaces: { room: {} } })
const options = namespaces['room'] as NonNullable<(typeof namespaces)[string]>

function given() {
  const written: string[] = []
  const ended: number[] = []
  const write = (packets: readonly Packet[]) => {
    written.push(...packets.map(packet => packet.payload.toString()))
    return true
  }
  const mailbox = new Mailbox({
    sink: { untaken: 0, write: packet => write([packet]), writeAll: write, whenTaken: () => undefined },
    turn: new Turn(),
    maxBytes: 10_000,
    onOverflow: () => undefined,
    onRoom: () => undefined,
  })
  const owner = {
    client: 'c',
    user: 'u',
    mailbox,
    endSubscription: (_: SessionSubscription, code: number) => void ended.push(code),
  }
  const about = { channel: 'room:1', options, serverSide: false, maxHeldBytes: 100 }
  return { subscription: new SessionSubscription(owner, about), mailbox, written, ended }
}

const packet = (text: string) => Packet.of([text])

describe('a subscription of a session', () => {
  it('holds what is delivered until the client knows of it', () => {
    const { subscription, mailbox, written } = given()
    subscription.push(Lane.durable, packet('early'))
    mailbox.reply('the reply')
    mailbox.flush()
    expect(written).toEqual(['the reply'])
    subscription.told()
    subscription.push(Lane.durable, packet('later'))
    mailbox.flush()
    expect(written).toEqual(['the reply', 'early', 'later'])
  })

  it('says when it holds so much that the reply must go out', () => {
    const { subscription } = given()
    let full = 0
    subscription.onHoldFull = () => full++
    subscription.push(Lane.replay, packet('x'.repeat(500)))
    subscription.push(Lane.realtime, packet('x'.repeat(90)))
    expect(full).toBe(0)
    subscription.push(Lane.realtime, packet('x'.repeat(90)))
    expect(full).toBe(1)
  })

  it('is given up where it holds far more and its reply cannot go out', () => {
    const { subscription, ended } = given()
    for (let i = 0; i < 4; i++) subscription.push(Lane.realtime, packet('x'.repeat(90)))
    expect(ended).toEqual([])
    subscription.push(Lane.realtime, packet('x'.repeat(90)))
    expect(ended).toEqual([2500])
  })

  it('has no room for replay before the client knows of it, nor while replay waits', async () => {
    const { subscription, mailbox, written } = given()
    let rooms = 0
    const ask = () => subscription.replayRoom().then(() => rooms++)
    subscription.push(Lane.replay, packet('replay'))
    const first = ask()
    mailbox.flush()
    await Promise.resolve()
    expect(rooms).toBe(0)
    subscription.told()
    await Promise.resolve()
    mailbox.flush()
    await first
    expect(written).toEqual(['replay'])
    await ask()
  })

  it('lets go of everyone and takes nothing more when it ends', async () => {
    const { subscription, mailbox, written, ended } = given()
    const waiting = subscription.replayRoom()
    subscription.end()
    await waiting
    expect(subscription.closed).toBe(true)
    subscription.push(Lane.durable, packet('late'))
    subscription.told()
    subscription.endSubscription('room:1', 2500, 'insufficient state')
    mailbox.flush()
    expect(written).toEqual([])
    expect(ended).toEqual([])
  })

  it('is ended by its own tier for its own channel only', () => {
    const { subscription, ended } = given()
    subscription.endSubscription('room:2', 2500, 'insufficient state')
    subscription.endSubscription('room:1', 2500, 'insufficient state')
    expect(ended).toEqual([2500])
  })
})
