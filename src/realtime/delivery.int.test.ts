import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { enter, forgetful, ownPrefix, startNode } from '../../test/support/realtime-nodes.ts'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import type { RealtimeTier } from './tier.ts'

const options = forgetful
const prefix = ownPrefix()
let a: RealtimeTier
let b: RealtimeTier

beforeAll(async () => {
  a = await startNode(inject('redisUrl'), prefix)
  b = await startNode(inject('redisUrl'), prefix)
})
afterAll(() => Promise.all([a.close(), b.close()]))

/** Publishes a last message from each node and waits until all have both, so that absence can be judged. */
async function settled(channel: string, ...outlets: RecordingOutlet[]): Promise<void> {
  const marks = [`"end ${Math.random()}"`, `"end ${Math.random()}"`]
  await a.publish({ channel, data: marks[0] ?? '', options })
  await b.publish({ channel, data: marks[1] ?? '', options })
  await until('both ends have arrived', () =>
    outlets.every(outlet => marks.every(mark => outlet.data().includes(JSON.parse(mark)))),
  )
}

const withoutEnds = (outlet: RecordingOutlet) =>
  outlet.data().filter(data => !(typeof data === 'string' && data.startsWith('end ')))

describe('publishing between two nodes', () => {
  it('delivers to each subscriber once, on both nodes, in the order of the sender', async () => {
    const here = [await enter(a, 'room:1'), await enter(a, 'room:1')]
    const there = [await enter(b, 'room:1'), await enter(b, 'room:1')]
    const sent = Array.from({ length: 500 }, (_, i) => i)
    for (const i of sent) {
      void a.publish({ channel: 'room:1', data: `${i}`, options })
      if (i % 37 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    const outlets = [...here, ...there].map(({ outlet }) => outlet)
    await settled('room:1', ...outlets)
    for (const outlet of outlets) expect(withoutEnds(outlet)).toEqual(sent)
  })

  it('keeps the order of each of two senders on different nodes', async () => {
    const { outlet } = await enter(a, 'room:2')
    for (let i = 0; i < 200; i++) {
      void a.publish({ channel: 'room:2', data: `["a",${i}]`, options })
      void b.publish({ channel: 'room:2', data: `["b",${i}]`, options })
      if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await settled('room:2', outlet)
    const numbers = (sender: string) =>
      (withoutEnds(outlet) as [string, number][]).filter(([who]) => who === sender).map(([, i]) => i)
    expect(numbers('a')).toEqual(Array.from({ length: 200 }, (_, i) => i))
    expect(numbers('b')).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('keeps numbers, key order and unicode of the data as they came', async () => {
    const { outlet } = await enter(b, 'room:3')
    const data = '{"z":1.10,"a":12345678901234567890,"ü":"\\u00e9 ✓ 🙂"}'
    await a.publish({
      channel: 'room:3',
      data,
      options,
      tags: { k: 'ü' },
      info: { user: 'ü x', client: 'c' },
    })
    await until('it arrives', () => outlet.lines.length > 0)
    expect(outlet.lines).toEqual([
      `{"push":{"channel":"room:3","pub":{"data":${data},"info":{"user":"ü x","client":"c"},"tags":{"k":"ü"}}}}`,
    ])
  })

  it('puts several messages of one turn into one packet on every node', async () => {
    const here = await enter(a, 'room:4')
    const there = await enter(b, 'room:4')
    for (let i = 0; i < 10; i++) void a.publish({ channel: 'room:4', data: `${i}`, options })
    await until('all have come', () => there.outlet.lines.length === 10)
    expect(here.outlet.packets.map(({ packet }) => packet.messages)).toEqual([10])
    expect(there.outlet.packets.map(({ packet }) => packet.messages)).toEqual([10])
  })

  it('misses nothing published on one node right after the other node has confirmed a subscription', async () => {
    // Its commands are under way for a while, so a subscription that was not confirmed would come too late.
    const slow = await tcpProxy(inject('redisUrl'))
    slow.slow({ delayMs: 3, way: 'toServer' })
    const far = await startNode(slow.through(inject('redisUrl')), prefix)
    for (let round = 0; round < 200; round++) {
      const channel = `round:${round}`
      const { outlet } = await enter(far, channel)
      await a.publish({ channel, data: `${round}`, options })
      await until(`round ${round} has arrived`, () => outlet.lines.length > 0)
      expect(outlet.data()).toEqual([round])
      far.unsubscribe(channel, outlet.client)
    }
    await far.close()
    await slow.close()
  })

  it('delivers nothing before join and nothing after unsubscribe', async () => {
    const outlet = new RecordingOutlet()
    const subscription = await b.subscribe({ channel: 'room:5', outlet, options })
    const witness = await enter(b, 'room:5')
    await a.publish({ channel: 'room:5', data: '1', options })
    await until('the witness has it', () => witness.outlet.lines.length === 1)
    subscription.join()
    await a.publish({ channel: 'room:5', data: '2', options })
    await until('the second has come', () => outlet.lines.length > 0)
    b.unsubscribe('room:5', outlet.client)
    await a.publish({ channel: 'room:5', data: '3', options })
    await until('the witness has all', () => witness.outlet.lines.length === 3)
    expect(outlet.data()).toEqual([2])
  })

  it('refuses a second subscription of the same session and keeps the first', async () => {
    const { outlet } = await enter(a, 'room:6')
    await expect(a.subscribe({ channel: 'room:6', outlet, options })).rejects.toMatchObject({
      code: 'ALREADY_SUBSCRIBED',
    })
    await b.publish({ channel: 'room:6', data: '1', options })
    await until('it arrives', () => outlet.lines.length === 1)
  })

  it('publishes once under one idempotency key, also over both nodes, and on the node of the publisher too', async () => {
    const here = await enter(a, 'room:7')
    const there = await enter(b, 'room:7')
    const publication = { channel: 'room:7', data: '"once"', options, idempotencyKey: 'k1' }
    await Promise.all([a.publish(publication), b.publish(publication), a.publish(publication)])
    await b.publish(publication)
    await a.publish({ ...publication, idempotencyKey: 'k2', data: '"other"' })
    await settled('room:7', here.outlet, there.outlet)
    expect(withoutEnds(here.outlet)).toEqual(['once', 'other'])
    expect(withoutEnds(there.outlet)).toEqual(['once', 'other'])
  })
})

describe('signals', () => {
  it('reaches one client only, wherever it is', async () => {
    const outlets = [
      await enter(a, 's:1'),
      await enter(a, 's:1'),
      await enter(b, 's:1'),
      await enter(b, 's:1'),
    ].map(({ outlet }) => outlet)
    const [local, , remote] = outlets
    a.signal({ channel: 's:1', data: '"offer"', to: { client: remote?.client ?? '' } })
    a.signal({ channel: 's:1', data: '"mine"', to: { client: local?.client ?? '' } })
    await settled('s:1', ...outlets)
    expect(outlets.map(withoutEnds)).toEqual([['mine'], [], ['offer'], []])
  })

  it("reaches all of a user's tabs on all nodes, the sender's other tab as well, and nobody else", async () => {
    const tab = new RecordingOutlet('ada lovelace/ü')
    const otherTab = new RecordingOutlet('ada lovelace/ü')
    const tabThere = new RecordingOutlet('ada lovelace/ü')
    const stranger = new RecordingOutlet('bob')
    for (const outlet of [tab, otherTab, stranger]) await enter(a, 's:2', outlet)
    await enter(b, 's:2', tabThere)
    a.signal({ channel: 's:2', data: '1', to: { user: 'ada lovelace/ü' }, exclude: tab.client })
    b.signal({ channel: 's:2', data: '2', to: { user: 'ada lovelace/ü' } })
    await settled('s:2', tab, otherTab, tabThere, stranger)
    expect([tab, otherTab, tabThere, stranger].map(withoutEnds)).toEqual([[2], [1, 2], expect.any(Array), []])
    expect([...withoutEnds(tabThere)].sort()).toEqual([1, 2])
  })

  it('reaches everyone but the sender, and the sender too where it asks for an echo', async () => {
    const sender = await enter(a, 's:3')
    const peer = await enter(a, 's:3')
    const there = await enter(b, 's:3')
    a.signal({ channel: 's:3', data: '1', exclude: sender.outlet.client })
    a.signal({ channel: 's:3', data: '2' })
    a.signal({ channel: 's:3', data: '3', exclude: sender.outlet.client })
    await settled('s:3', sender.outlet, peer.outlet, there.outlet)
    expect(withoutEnds(sender.outlet)).toEqual([2])
    expect(withoutEnds(peer.outlet)).toEqual([1, 2, 3])
    expect(withoutEnds(there.outlet)).toEqual([1, 2, 3])
  })

  it('excludes a client that is on another node', async () => {
    const here = await enter(a, 's:4')
    const there = await enter(b, 's:4')
    const alsoThere = await enter(b, 's:4')
    a.signal({ channel: 's:4', data: '1', exclude: there.outlet.client })
    await settled('s:4', here.outlet, there.outlet, alsoThere.outlet)
    expect([here, there, alsoThere].map(({ outlet }) => withoutEnds(outlet))).toEqual([[1], [], [1]])
  })

  it('takes the empty user for nobody, not for all who are anonymous', async () => {
    const anonymous = new RecordingOutlet('')
    await enter(b, 's:5', anonymous)
    a.signal({ channel: 's:5', data: '1', to: { user: '' } })
    await settled('s:5', anonymous)
    expect(withoutEnds(anonymous)).toEqual([])
  })
})

describe('announcements and control', () => {
  it('shows joins before leaves to the subscribers of all nodes', async () => {
    const here = await enter(a, 'j:1')
    const there = await enter(b, 'j:1')
    for (const client of ['x', 'y', 'z']) {
      a.announce('j:1', 'join', { user: 'u', client })
      a.announce('j:1', 'leave', { user: 'u', client })
    }
    await until('all have come', () => there.outlet.lines.length === 6)
    const expected = ['join x', 'leave x', 'join y', 'leave y', 'join z', 'leave z']
    expect(here.outlet.announcements()).toEqual(expected)
    expect(there.outlet.announcements()).toEqual(expected)
  })

  it('carries control messages to every node once, the sender included, also when a listener fails', async () => {
    const heard: unknown[] = []
    const stops = [
      a.control.onMessage(() => {
        throw new Error('a broken listener')
      }),
      a.control.onMessage((message, from) => heard.push(['a', message, from])),
      b.control.onMessage((message, from) => heard.push(['b', message, from])),
    ]
    a.control.send({ do: 'this', text: 'line\nbreak' })
    b.control.send('second')
    await until('all have come', () => heard.length >= 4)
    const messages = heard.map(entry => JSON.stringify((entry as unknown[]).slice(0, 2))).sort()
    expect(messages).toEqual([
      '["a","second"]',
      '["a",{"do":"this","text":"line\\nbreak"}]',
      '["b","second"]',
      '["b",{"do":"this","text":"line\\nbreak"}]',
    ])
    for (const stop of stops) stop()
  })

  it('tells which channels have subscribers on this node', async () => {
    const first = await enter(a, 'count:1')
    await enter(a, 'count:1')
    await enter(b, 'count:1')
    expect(a.channels().get('count:1')).toBe(2)
    a.unsubscribe('count:1', first.outlet.client)
    expect(a.channels().get('count:1')).toBe(1)
    expect(a.channels().has('count:2')).toBe(false)
  })
})
