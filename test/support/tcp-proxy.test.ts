import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TcpProxy, tcpProxy } from './tcp-proxy.ts'
import { until } from './until.ts'

/** A server that says everything back, and a client that notes when what comes. */
let proxy: TcpProxy
let closers: (() => void)[]

beforeEach(async () => {
  closers = []
  proxy = await tcpProxy(await echo())
  closers.push(() => void proxy.close())
})

afterEach(() => {
  for (const close of closers) close()
})

async function echo(prefix = ''): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', chunk => socket.write(prefix + chunk))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return `tcp://127.0.0.1:${address.port}`
}

async function client() {
  const socket = connect(proxy.port, '127.0.0.1')
  const seen = { text: '', at: 0, end: '' }
  socket.setNoDelay(true)
  socket.on('data', chunk => {
    seen.text += chunk
    seen.at = performance.now()
  })
  socket.on('error', error => {
    seen.end = (error as NodeJS.ErrnoException).code ?? 'error'
  })
  socket.on('close', () => {
    seen.end ||= 'closed'
  })
  closers.push(() => socket.destroy())
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
  const ask = async (text: string) => {
    const before = seen.text.length
    socket.write(text)
    await until(`${text} is answered`, () => seen.text.length >= before + text.length)
  }
  return { socket, seen, ask }
}

describe('the TCP proxy', () => {
  it('passes bytes on and counts them', async () => {
    const { seen, ask } = await client()
    await ask('hello')
    expect(seen.text).toBe('hello')
    expect(proxy.bytes).toEqual({ toServer: 5, toClient: 5 })
    expect([proxy.accepted, proxy.open]).toEqual([1, 1])
  })

  it('tells each side of the end of the other', async () => {
    const { socket, ask } = await client()
    await ask('a')
    socket.end()
    await until('the pair is gone', () => proxy.open === 0)
  })

  it('delays one direction and keeps the order in spite of jitter', async () => {
    const { socket, seen } = await client()
    proxy.slow({ delayMs: 60, jitterMs: 40, way: 'toClient' })
    const start = performance.now()
    let sent = ''
    for (let i = 0; i < 20; i++) {
      socket.write(`${i};`)
      sent += `${i};`
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    await until('all is back', () => seen.text.length === sent.length)
    expect(seen.text).toBe(sent)
    expect(seen.at - start).toBeGreaterThanOrEqual(60)
  })

  it('lets no more pass than the bandwidth', async () => {
    const { socket, seen } = await client()
    proxy.slow({ bytesPerSecond: 200_000, way: 'toServer' })
    const start = performance.now()
    socket.write(Buffer.alloc(40_000))
    await until('all is back', () => seen.text.length === 40_000)
    expect(seen.at - start).toBeGreaterThanOrEqual(190)
  })

  it.each(['toServer', 'toClient'] as const)(
    'holds back what goes %s and lets it arrive in the end',
    async way => {
      const { socket, seen, ask } = await client()
      await ask('a')
      proxy.hold({ way })
      socket.write('b')
      const fresh = await client()
      fresh.socket.write('c')
      await new Promise(resolve => setTimeout(resolve, 50))
      expect([seen.text, fresh.seen.text]).toEqual(['a', ''])
      await proxy.heal()
      await until('both are answered', () => seen.text === 'ab' && fresh.seen.text === 'c')
    },
  )

  it('holds present connections only, and of them only those that are meant', async () => {
    const one = await client()
    await one.ask('a')
    proxy.hold({ connections: 'present', only: () => false })
    await one.ask('b')
    proxy.hold({ connections: 'present' })
    one.socket.write('c')
    const other = await client()
    await other.ask('d')
    expect(one.seen.text).toBe('ab')
  })

  it('swallows for good, tells nobody, and cuts what has a hole when it heals', async () => {
    const { socket, seen, ask } = await client()
    await ask('a')
    proxy.swallow()
    socket.write('b')
    await new Promise(resolve => setTimeout(resolve, 50))
    expect([seen.text, seen.end]).toEqual(['a', ''])
    await proxy.heal()
    await until('it is cut', () => seen.end === 'ECONNRESET')
    await (await client()).ask('c')
  })

  it.each([
    ['rst', 'ECONNRESET'],
    ['fin', 'closed'],
  ] as const)('cuts by %s', async (how, end) => {
    const { seen, ask } = await client()
    await ask('a')
    proxy.cut(how)
    await until('the client knows', () => seen.end === end)
    await (await client()).ask('b')
  })

  it('refuses new connections until it is healed, and keeps the present ones', async () => {
    const present = await client()
    await present.ask('a')
    proxy.refuse()
    await until('one is refused', async () => (await client()).seen.end === 'ECONNREFUSED')
    await present.ask('b')
    await proxy.heal()
    await (await client()).ask('c')
  })

  it('leads new connections elsewhere', async () => {
    const { seen, ask } = await client()
    await ask('a')
    proxy.pointTo(await echo('2'))
    const other = await client()
    await other.ask('b')
    await ask('c')
    expect([seen.text, other.seen.text]).toEqual(['ac', '2b'])
  })

  it('resets a connection whose server is not there', async () => {
    proxy.pointTo('tcp://127.0.0.1:1')
    const { seen } = await client()
    await until('it is reset', () => seen.end === 'ECONNRESET')
  })

  it('loses answers, and the connections with them', async () => {
    const { socket, seen, ask } = await client()
    await ask('a')
    proxy.loseAnswers()
    socket.write('b')
    await until('it is cut', () => seen.end !== '')
    expect([seen.text, proxy.lost()]).toEqual(['a', 1])
    proxy.answerAgain()
    await (await client()).ask('c')
  })
})
