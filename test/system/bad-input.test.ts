import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Centrifuge } from 'centrifuge'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { apiKey, type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { FrameClient } from '../support/frame-client.ts'
import { frameBytes, opcodes, RawSocket } from '../support/raw-socket.ts'
import { connect, dense, type Recorded, received, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const limits = {
  maxFrameBytes: 65_536,
  maxMailboxBytes: 262_144,
  maxChannelsPerConnection: 3,
  connectTimeoutMs: 1_500,
}
/** How much a node may grow under an attack that would make it hold many times as much. */
const allowedGrowthMiB = 160

/**
 * Everything here is sent to one node of two. After each attack that node is the same process, has the same
 * connections as before, and a client on it has missed nothing of what others say through the other node.
 */
describe('a node that is sent nonsense', () => {
  let cluster: Cluster
  let attacked: Node
  let listener: Centrifuge
  let speaker: Centrifuge
  let heard: Recorded
  let recorded: Recorded
  let said = 0
  let interruptions = 0

  beforeAll(async () => {
    cluster = await startCluster({ config: { limits, auth: { allowAnonymous: true } } })
    attacked = cluster.nodes[0] as Node
    listener = await connect(attacked.url, 'listener')
    listener.on('connecting', () => interruptions++)
    listener.on('disconnected', () => interruptions++)
    speaker = await connect((cluster.nodes[1] as Node).url, 'speaker')
    heard = await subscribe(listener, 'room:witness')
    recorded = await subscribe(listener, 'order:witness')
  })
  afterAll(async () => {
    listener?.disconnect()
    speaker?.disconnect()
    await cluster?.close()
  })

  afterEach(async () => {
    said++
    await speaker.publish('room:witness', said)
    await speaker.publish('order:witness', said)
    await received(heard, said)
    await received(recorded, said)
    expect(heard.data()).toEqual(dense(said))
    expect(recorded.data()).toEqual(dense(said))
    expect(interruptions).toBe(0)
    expect([attacked.process.exitCode, attacked.process.signalCode]).toEqual([null, null])
    await until('only the listener is connected', async () => {
      const { nodes } = await attacked.api<{ nodes: { num_clients: number; num_subs: number }[] }>('info', {})
      const sum = (key: 'num_clients' | 'num_subs') => nodes.reduce((total, node) => total + node[key], 0)
      return sum('num_clients') === 2 && sum('num_subs') === 2
    })
  })

  const opened = () => RawSocket.open(attacked.port)
  const client = async () => FrameClient.connected(attacked.url, await token('mallory'))
  const memoryMiB = () => residentMiB(attacked.process.pid ?? 0)

  const connectCommand = frameBytes('{"id":1,"connect":{}}')
  it.each([
    ['without a mask', frameBytes('{"id":1,"connect":{}}', { masked: false }), 1002],
    ['with reserved bits', frameBytes('{}', { reserved: 4 }), 1002],
    ['of an opcode that does not exist', frameBytes('{}', { opcode: 3 }), 1002],
    ['that go on with what never began', frameBytes('{}', { opcode: opcodes.continuation }), 1002],
    ['that begin a message within a message', [frameBytes('{"id"', { fin: false }), connectCommand], 1002],
    ['that claim to be longer than the limit', frameBytes('{', { claimed: 65_537n }), 1009],
    ['that claim to be longer than any memory', frameBytes('{', { claimed: 2n ** 63n - 1n }), 1009],
    ['whose parts together are too long', longParts(), 1009],
    ['in thousands of parts', Array.from({ length: 20_000 }, (_, i) => part(i)), 1008],
    ['of a control message too long for one', frameBytes('x'.repeat(126), { opcode: opcodes.ping }), 1002],
    ['of a control message in parts', frameBytes('x', { opcode: opcodes.ping, fin: false }), 1002],
    ['that close with a code that nobody may send', frameBytes([3, 237], { opcode: opcodes.close }), 1002],
    ['that close with half a code', frameBytes([3], { opcode: opcodes.close }), 1002],
    ['that are no UTF-8', frameBytes([0x22, 0xc3, 0x28, 0x22]), 1007],
    ['that end inside a character', frameBytes([0x22, 0xe2, 0x82]), 1007],
    ['of bytes', frameBytes([1, 2, 3], { opcode: opcodes.binary }), 3506],
    ['of nothing', frameBytes(''), 3501],
    ['with a command before connect', frameBytes('{"id":1,"publish":{"channel":"room:a","data":1}}'), 3501],
  ])('ends a connection that sends frames %s', async (_, bytes, code) => {
    const socket = await opened()
    for (const each of [bytes].flat()) socket.write(each)
    expect(await socket.ended()).toBe(code)
  })

  it('lets go of connections that are cut in the middle of a frame, and ends those that never finish one', async () => {
    const half = frameBytes(JSON.stringify({ id: 1, connect: { name: 'x'.repeat(1_000) } }))
    for (const length of [1, 3, 7, half.length - 1]) {
      const socket = await opened()
      socket.write(half.subarray(0, length))
      socket.destroy()
    }
    const slow = await opened()
    slow.write(half.subarray(0, 40))
    expect(await slow.ended()).toBe(3502)
  })

  it.each([
    ['has no end', '{"id":2,"publish":{"channel":"room:a","data":'],
    ['opens more than it closes', `{"id":2,"publish":{"channel":"room:a","data":${'['.repeat(30_000)}}}`],
    ['has a raw NUL', '{"id":2,"publish":{"channel":"room:a","data":"\u0000"}}'],
    ['has an empty line', '{"id":2,"rpc":{}}\n\n{"id":3,"rpc":{}}'],
    ['is a list', '[{"id":2,"publish":{"channel":"room:a","data":1}}]'],
    ['is null', 'null'],
    ['is a number', '1e400'],
    ['hides the method in a prototype', '{"id":2,"__proto__":{"publish":{"channel":"room:a","data":1}}}'],
    ['hides fields in a prototype', '{"id":2,"publish":{"__proto__":{"channel":"room:a","data":1}}}'],
    ['has an id that is no uint32', '{"id":4294967296,"rpc":{}}'],
    ['has a negative id', '{"id":-1,"rpc":{}}'],
    ['has a broken id', '{"id":1.5,"rpc":{}}'],
    ['has a text for id', '{"id":"2","rpc":{}}'],
    ['has a number for channel', '{"id":2,"publish":{"channel":1,"data":1}}'],
    [
      'has an offset beyond all numbers',
      '{"id":2,"subscribe":{"channel":"order:a","recover":true,"offset":1e300}}',
    ],
    ['has an unknown method', '{"id":2,"constructor":{}}'],
  ])('ends with 3501 a connection whose JSON %s', async (_, text) => {
    const hostile = await client()
    hostile.sendText(text)
    expect((await hostile.ended()).code).toBe(3501)
  })

  it('refuses what it cannot do and keeps the connection', async () => {
    const hostile = await client()
    const append = (fields: object) => ({ rpc: { method: 'holdfast.append', data: fields } })
    const cases: [object, number][] = [
      [{ subscribe: { channel: '__proto__:a' } }, 102],
      [{ subscribe: { channel: 'constructor:a' } }, 102],
      [{ publish: { channel: 'toString', data: 1 } }, 102],
      [{ rpc: { method: '__proto__' } }, 104],
      [{ rpc: { method: 'toString' } }, 104],
      [{ rpc: { method: '\ud800' } }, 104],
      [{ subscribe: { channel: `room:${'x'.repeat(251)}` } }, 107],
      [{ subscribe: { channel: 'room:\u0000' } }, 107],
      [{ subscribe: { channel: 'room:\ud800' } }, 107],
      [{ subscribe: { channel: 'room:ä' } }, 107],
      [append({ channel: 'order:a', type: 'T\u0000', data: 1 }), 107],
      [append({ channel: 'order:a', type: '\udfff', data: 1 }), 107],
      [append({ channel: 'order:a', type: 't'.repeat(256), data: 1 }), 107],
      [append({ channel: 'order:a', type: 'T', data: 1, id: 'none' }), 107],
      [append({ channel: 'order:a', type: 'T', data: 1, expectedOffset: -1 }), 107],
      [append({ channel: 'order:a', type: 'T', data: 1, expectedOffset: Number.MAX_SAFE_INTEGER }), 409],
    ]
    for (const [i, [command, code]] of cases.entries()) {
      hostile.send({ id: i + 2, ...command })
      expect([command, await hostile.expectError(i + 2)]).toEqual([command, code])
    }
    hostile.close()
  })

  it.each([
    ['nested thirty thousand levels deep', '['.repeat(30_000) + ']'.repeat(30_000)],
    [
      'with keys that mean something to objects',
      '{"__proto__":{"admin":true},"constructor":{"prototype":1}}',
    ],
    ['with NUL and half of a surrogate pair', '["\\u0000","\\ud800","\\udc00\\ud800"]'],
    ['with numbers that no number holds', '[1e999,-0,123456789012345678901234567890,0.1000]'],
    ['with the same key twice', '{"a":1,"a":2}'],
    ['with line separators', '"\u2028\u2029\u0085"'],
  ])('carries data %s untouched, live and out of the past', async (_, data) => {
    const hostile = await client()
    hostile.send(
      { id: 2, subscribe: { channel: 'room:odd' } },
      { id: 3, subscribe: { channel: 'order:odd' } },
    )
    await hostile.expectReply(2)
    await hostile.expectReply(3)
    hostile.sendText(`{"id":4,"publish":{"channel":"room:odd","data":${data}}}`)
    hostile.sendText(`{"id":5,"publish":{"channel":"order:odd","data":${data}}}`)
    await hostile.expectReply(4)
    await hostile.expectReply(5)
    await until('both are pushed', () => hostile.untaken.filter(line => line.includes('"pub"')).length === 2)
    for (const line of hostile.untaken.filter(each => each.includes('"pub"'))) {
      expect(line.includes(`"pub":{"data":${data},"info":`), line.slice(0, 200)).toBe(true)
    }
    hostile.send({ id: 6, history: { channel: 'order:odd', limit: 1, reverse: true } })
    await until('the history is there', () => hostile.untaken.some(line => line.startsWith('{"id":6')))
    const history = hostile.untaken.find(line => line.startsWith('{"id":6')) ?? ''
    expect(history.includes(`[{"data":${data},"info":`), history.slice(0, 200)).toBe(true)
    hostile.close()
  })

  it('answers thousands of tiny commands in one piece each, in order, equal ids as they come', async () => {
    const socket = await opened()
    const commands = Array.from({ length: 5_000 }, (_, i) => frameBytes(`{"id":${(i % 7) + 2},"rpc":{}}`))
    socket.write(Buffer.concat([connectCommand, ...commands]))
    // What is above the burst of a connection is answered too, in its place: there have been too many.
    const answers = () => [...socket.text.matchAll(/\{"id":(\d+),"error":\{"code":(104|111)/g)]
    await until('all are answered', () => answers().length === 5_000)
    expect(answers().map(([, id]) => Number(id))).toEqual(
      Array.from({ length: 5_000 }, (_, i) => (i % 7) + 2),
    )
    expect(
      new Set(
        answers()
          .slice(0, 4_000)
          .map(([, , code]) => code),
      ),
    ).toEqual(new Set(['104']))
    socket.destroy()
  })

  it('gives 106 for more channels than allowed, and takes new ones for those given back', async () => {
    const hostile = await client()
    for (let n = 0; n < 50; n++) hostile.send({ id: n + 2, subscribe: { channel: `room:many-${n}` } })
    const codes: number[] = []
    for (let n = 0; n < 50; n++) codes.push((await hostile.expectReply(n + 2)).error?.code ?? 0)
    expect(codes).toEqual([0, 0, 0, ...Array(47).fill(106)])
    hostile.send(
      { id: 60, unsubscribe: { channel: 'room:many-0' } },
      { id: 61, subscribe: { channel: 'room:z' } },
    )
    await hostile.expectReply(60)
    expect((await hostile.expectReply(61)).error).toBeUndefined()
    hostile.close()
  })

  it('ends with 3008 a subscriber that does not read', async () => {
    const slow = await client()
    slow.send({ id: 2, subscribe: { channel: 'room:slow' } })
    await slow.expectReply(2)
    slow.stopReading()
    const before = memoryMiB()
    for (let n = 0; n < 400; n++) await speaker.publish('room:slow', 'x'.repeat(50_000))
    slow.readAgain()
    expect((await slow.ended()).code).toBe(3008)
    expect(memoryMiB() - before).toBeLessThan(allowedGrowthMiB)
  })

  it('stops listening to who asks for much and reads nothing, and goes on when it reads', async () => {
    const greedy = await client()
    for (let n = 0; n < 100; n++)
      greedy.send({ id: n + 2, publish: { channel: 'order:thick', data: 'x'.repeat(5_000) } })
    for (let n = 0; n < 100; n++) await greedy.expectReply(n + 2)
    const before = memoryMiB()
    greedy.stopReading()
    // Four hundred megabytes of answers.
    for (let n = 0; n < 800; n++)
      greedy.send({ id: n + 200, history: { channel: 'order:thick', limit: 100 } })
    const probe = await client()
    probe.send({ id: 2, history: { channel: 'order:thick', limit: 100 } })
    await probe.expectReply(2)
    probe.close()
    expect(memoryMiB() - before).toBeLessThan(allowedGrowthMiB * 1.5)
    greedy.readAgain()
    let answers = 0
    await until('all is answered', () => {
      answers += greedy.takeAll().length
      return answers === 800
    })
    expect(memoryMiB() - before).toBeLessThan(allowedGrowthMiB * 1.5)
    greedy.close()
  })

  it('ends who sends pings and does not read what they are answered with', async () => {
    const socket = await opened()
    socket.write(connectCommand)
    await until('it is connected', () => socket.text.includes('"connect"'))
    socket.socket.pause()
    const pings = Buffer.concat(Array(1_000).fill(frameBytes('x'.repeat(125), { opcode: opcodes.ping })))
    const before = memoryMiB()
    await until('it is ended', () => {
      socket.write(pings)
      socket.write(pings)
      return socket.closed
    })
    expect(memoryMiB() - before).toBeLessThan(allowedGrowthMiB)
  })

  it('ends with 3502 whoever opens connections and says nothing', async () => {
    const silent = await Promise.all(Array.from({ length: 200 }, opened))
    const codes = await Promise.all(silent.map(socket => socket.ended()))
    expect(new Set(codes)).toEqual(new Set([3502]))
  })

  it('keeps no memory of thousands of bad connections', async () => {
    const round = async () => {
      for (let n = 0; n < 20; n++) {
        await Promise.all(
          Array.from({ length: 20 }, async (_, i) => {
            const socket = await opened()
            socket.write(connectCommand)
            socket.write(frameBytes(`{"id":2,"subscribe":{"channel":"room:leak-${n}-${i}"}}`))
            await until('it is subscribed', () => socket.text.includes('"subscribe"'))
            if (i % 2 === 0) socket.destroy()
            else {
              socket.write(frameBytes('{'))
              await socket.ended()
            }
          }),
        )
      }
    }
    await round()
    // A heap grows as long as that spares it work, and then no more; what is kept of each connection grows with every round.
    const growths: number[] = []
    // Of two in a row, so that one in which pages happen to be given back is not enough.
    const lately = () => growths.slice(-2).reduce((sum, growth) => sum + growth, 0)
    do {
      const before = memoryMiB()
      await round()
      await round()
      growths.push(memoryMiB() - before)
    } while (growths.length < 2 || (lately() > allowedGrowthMiB / 8 && growths.length < 8))
    expect(lately(), `${growths}`).toBeLessThanOrEqual(allowedGrowthMiB / 8)
  }, 120_000)

  it('answers or ends, whatever frames come', async () => {
    const allowed = [0, 1000, 3500, 3501, 3508]
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(oddFrame, async frame => {
        const hostile = await client()
        hostile.sendText(frame)
        hostile.sendText('{"id":4294967295,"rpc":{"method":"the end"}}')
        const isEnd = (each: string) => each.startsWith('{"id":4294967295,')
        await until('it is answered or ended', () => hostile.hasEnded || hostile.untaken.some(isEnd))
        const code = hostile.hasEnded ? (await hostile.ended()).code : 0
        expect(allowed).toContain(code)
        seen.add(code)
        hostile.close()
      }),
      { numRuns: 300 },
    )
    // Both ends are among them, so the frames are neither all nonsense nor all harmless.
    expect(seen).toContain(0)
    expect(seen).toContain(3501)
  }, 120_000)

  it.each([
    ['broken JSON', '{"channel":', 200, 107],
    ['no object', '[]', 200, 107],
    ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 200, 107],
    ['a nesting without end', `{"channel":"room:a","data":${'['.repeat(500_000)}}`, 200, 107],
    ['keys of prototypes', '{"__proto__":{"channel":"room:a","data":1}}', 200, 107],
    ['a namespace of every object', '{"channel":"__proto__:a","data":1}', 200, 102],
    ['base64 that is none', '{"channel":"room:a","b64data":"***"}', 200, 107],
    ['more than the limit', `{"channel":"room:a","data":"${'x'.repeat(16 * 65_536)}"}`, 413, 107],
  ])('answers over HTTP %s with an error', async (_, body, status, code) => {
    const response = await fetch(`${attacked.http}/api/publish`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(status)
    expect(((await response.json()) as { error: { code: number } }).error.code).toBe(code)
  })

  it.each([
    ['is no HTTP', '\u0000\u0001\u0002\r\n\r\n', '400'],
    ['has no end of its headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}`, '431'],
    [
      'claims two lengths',
      'POST /api/info HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      '400',
    ],
    ['claims a negative length', 'POST /api/info HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', '400'],
    [
      'upgrades to something else',
      'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      '4',
    ],
    [
      'upgrades without a key',
      'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      '400',
    ],
    [
      'upgrades to a version of old',
      'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      '4',
    ],
    [
      'upgrades where there is nothing',
      'GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      '404',
    ],
    ['comes too slowly', 'POST /api/info HTTP/1.1\r\nHost: a\r\nX-Slow: ', '408'],
  ])('answers with an HTTP error a request that %s, and cuts the connection', async (_, text, status) => {
    const socket = connectTcp(attacked.port, '127.0.0.1')
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.write(text, 'latin1')
    await closed
    expect(answer.slice(9, 9 + status.length)).toBe(status)
  })
})

/** The memory of a process that is not swapped out. */
function residentMiB(pid: number): number {
  const kibibytes =
    process.platform === 'linux'
      ? /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      : execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
  return Number(kibibytes) / 1_024
}

function longParts(): Buffer[] {
  const first = frameBytes(`"${'x'.repeat(40_000)}`, { fin: false })
  return [first, frameBytes('x'.repeat(40_000), { opcode: opcodes.continuation })]
}

function part(i: number): Buffer {
  return frameBytes('', { fin: false, opcode: i === 0 ? opcodes.text : opcodes.continuation })
}

/** Commands with the right names in the wrong places, and what is none. */
const word = fc.constantFrom(
  ...'id connect subscribe unsubscribe publish presence presence_stats history rpc refresh'.split(' '),
  ...'sub_refresh channel data token recover offset epoch since limit reverse method to user'.split(' '),
  ...'client type expectedOffset __proto__ room:a order:a recent:a $room:a room:#a'.split(' '),
)
const leaf = fc.oneof(
  word,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'binary' }),
)
const values = fc.dictionary(word, fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })), { maxKeys: 5 })
const sensible = fc.record({
  channel: fc.constantFrom('room:a', 'order:a', 'recent:a', '__proto__:a'),
  method: fc.constantFrom('holdfast.append', 'holdfast.signal', 'holdfast.cursor', 'other'),
  data: fc.oneof(leaf, values),
})
const oddLine = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.integer({ min: 2, max: 9 }), word, sensible).map(command) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 2, max: 9 }), word, values).map(command) },
  { weight: 1, arbitrary: values.map(each => JSON.stringify(each)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
)
const oddFrame = fc.array(oddLine, { minLength: 1, maxLength: 4 }).map(lines => lines.join('\n'))

function command([id, method, body]: [number, string, object]): string {
  return JSON.stringify({ id, [method]: body })
}
