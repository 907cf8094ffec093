import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { FanOut } from './fan-out.ts'
import { Lane } from './lane.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))
const outlets = (n: number) => Array.from({ length: n }, (_, i) => new RecordingOutlet('u', `c${i}`))

function fanOutOf(members: readonly RecordingOutlet[]): FanOut {
  const fan = new FanOut(Lane.realtime)
  for (const member of members) fan.add(member)
  return fan
}

describe('a fan-out', () => {
  it('hands the lines of one turn to everyone as one packet, the same object', async () => {
    const members = outlets(3)
    const fan = fanOutOf(members)
    fan.publish('1')
    fan.publish(Buffer.from('2\n3'), 2)
    expect(members[0]?.lines).toEqual([])
    await turn()
    for (const { lines, packets } of members) {
      expect(lines).toEqual(['1', '2', '3'])
      expect(packets).toHaveLength(1)
      expect(packets[0]?.packet).toBe(members[0]?.packets[0]?.packet)
      expect(packets[0]).toMatchObject({ lane: Lane.realtime, packet: { messages: 3 } })
    }
    fan.publish('4')
    await turn()
    expect(members[2]?.lines).toEqual(['1', '2', '3', '4'])
  })

  it('makes more than one packet of lines that are too long for one frame, a longer one alone', async () => {
    const members = outlets(2)
    const fan = fanOutOf(members)
    const lines = ['a', 'b'.repeat(200_000), 'c'.repeat(100_000), 'd'.repeat(600_000), 'e', 'f']
    for (const line of lines) fan.publish(line, 1, line === 'e' ? 'c0' : undefined)
    await turn()
    const shape = (i: number) =>
      members[i]?.packets.map(({ packet }) => packet.payload.toString().replace(/(.)\1+/g, '$1'))
    expect(shape(0)).toEqual(['a\nb', 'c', 'd', 'f'])
    expect(shape(1)).toEqual(['a\nb', 'c', 'd', 'e\nf'])
    expect(members[1]?.lines).toEqual(lines)
  })

  it('gives a new outlet nothing from before, and one that leaves everything up to then', async () => {
    const [first, late] = outlets(2)
    const fan = fanOutOf(first ? [first] : [])
    fan.publish('1')
    if (late) fan.add(late)
    fan.publish('2')
    expect(fan.remove('c0')).toBe(true)
    expect(fan.remove('c0')).toBe(false)
    fan.publish('3')
    await turn()
    expect(first?.lines).toEqual(['1', '2'])
    expect(late?.lines).toEqual(['2', '3'])
  })

  it('keeps the order between lines to all and lines to some or one', async () => {
    const [one, two] = outlets(2)
    const fan = fanOutOf([one, two].filter(outlet => outlet !== undefined))
    fan.publish('1')
    expect(fan.publishToClient('to c0', 'c0')).toBe(true)
    expect(fan.publishToClient('to nobody', 'c9')).toBe(false)
    fan.publish('2')
    fan.publishTo('to c1', outlet => outlet.client === 'c1')
    fan.publish('3')
    await turn()
    expect(one?.lines).toEqual(['1', 'to c0', '2', '3'])
    expect(two?.lines).toEqual(['1', '2', 'to c1', '3'])
  })

  it('gives the excluded a packet of its own and lets the others share theirs', async () => {
    const members = outlets(4)
    const fan = fanOutOf(members)
    fan.publish('1', 1, 'c0')
    fan.publish('2', 1, 'c1')
    fan.publish('3', 1, 'unknown')
    await turn()
    expect(members.map(({ lines }) => lines)).toEqual([
      ['2', '3'],
      ['1', '3'],
      ['1', '2', '3'],
      ['1', '2', '3'],
    ])
    expect(members[2]?.packets[0]?.packet).toBe(members[3]?.packets[0]?.packet)
    expect(members[0]?.packets[0]?.packet.messages).toBe(2)
    fan.publish('4', 1, 'c0')
    await turn()
    expect(members[0]?.packets).toHaveLength(1)
  })

  it('gives everyone exactly what was meant for it, in order, for any sequence of acts', async () => {
    const act = fc.oneof(
      fc.record({ act: fc.constant('publish'), client: fc.constant('') }),
      fc.record({
        act: fc.constantFrom('exclude', 'one', 'add', 'remove'),
        client: fc.constantFrom('c0', 'c1', 'c2'),
      }),
      fc.record({ act: fc.constant('turn'), client: fc.constant('') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 60 }), async acts => {
        const members = new Map(outlets(3).map(outlet => [outlet.client, outlet]))
        const expected = new Map([...members.keys()].map(client => [client, [] as string[]]))
        const inside = new Set<string>()
        const fan = new FanOut(Lane.realtime)
        for (const [i, { act, client }] of acts.entries()) {
          const line = `${i}`
          const outlet = members.get(client)
          if (act === 'turn') await turn()
          if (act === 'add' && outlet && !inside.has(client)) {
            fan.add(outlet)
            inside.add(client)
          }
          if (act === 'remove') expect(fan.remove(client)).toBe(inside.delete(client))
          if (act === 'one' && fan.publishToClient(line, client)) expected.get(client)?.push(line)
          if (act !== 'publish' && act !== 'exclude') continue
          fan.publish(line, 1, client === '' ? undefined : client)
          for (const each of inside) if (each !== client) expected.get(each)?.push(line)
        }
        await turn()
        for (const [client, lines] of expected) expect(members.get(client)?.lines).toEqual(lines)
      }),
    )
  })
})
