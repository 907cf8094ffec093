import { once } from 'node:events'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { ControlRoom, MemoryRouter, RecordedSessions } from '../../test/support/gateway.ts'
import { until } from '../../test/support/until.ts'
import { HoldfastError } from '../domain/index.ts'
import { createLogger, parseConfig } from '../platform/index.ts'
import { createHttpApi } from './api/http-api.ts'
import { createCluster } from './cluster/cluster.ts'
import { createHealth } from './health.ts'
import { createHttpServer } from './http-server.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Our part, with a WebSocket endpoint that answers `ours`. */
function ours() {
  const config = parseConfig({ api: { key: 'k' }, namespaces: { room: {} } })
  const router = new MemoryRouter(config.namespaces)
  const logger = createLogger('silent')
  const cluster = createCluster({
    node: { id: 'a', name: 'a', version: '1' },
    control: new ControlRoom().join('a'),
    sessions: new RecordedSessions(),
    router,
    logger,
  })
  const health = createHealth({
    router,
    namespaces: config.namespaces,
    draining: () => false,
    load: () => ({ busy: [], late: false }),
  })
  const api = createHttpApi({ config, router, cluster, health, logger })
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', socket => socket.send('ours'))
  const server = createHttpServer({
    api,
    handleUpgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, each => sockets.emit('connection', each, request)),
  })
  ends.push(async () => {
    for (const client of sockets.clients) client.terminate()
    cluster.close()
    await server.close(200)
  })
  return server
}

async function serve(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

const get = async (port: number, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return [response.status, await response.text()] as const
}

/** What a WebSocket on the path is greeted with, or the status of the refusal. */
function greeting(port: number, path: string): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  ends.push(() => socket.terminate())
  return new Promise((resolve, reject) => {
    socket.on('message', (data: RawData) => resolve(data.toString()))
    socket.on('unexpected-response', (_, response) => resolve(String(response.statusCode)))
    socket.on('error', reject)
  })
}

async function faultOf(outcome: Promise<unknown>): Promise<HoldfastError> {
  const error = await outcome.then(
    () => undefined,
    reason => reason,
  )
  expect(error).toBeInstanceOf(HoldfastError)
  return error
}

describe('a server of our own', () => {
  it('serves requests and upgrades, and refuses upgrades of other paths', async () => {
    const server = ours()
    const { port } = await server.listen('127.0.0.1', 0)
    expect(await get(port, '/health/live')).toEqual([200, '{"status":"live"}'])
    expect(await greeting(port, '/connection/websocket')).toBe('ours')
    expect(await greeting(port, '/connection/websocket?x=1')).toBe('ours')
    expect(await greeting(port, '/connection/websocket/x')).toBe('404')
    expect(await greeting(port, '/')).toBe('404')
  })

  it('names the port and the variable when the port is taken', async () => {
    const taken = await serve(createServer())
    const error = await faultOf(ours().listen('127.0.0.1', taken))
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(String(taken))
    expect(error.message).toContain('HOLDFAST_PORT')
  })

  it('names the host when this machine does not have it', async () => {
    const error = await faultOf(ours().listen('192.0.2.1', 0))
    expect(error.message).toContain('HOLDFAST_HOST')
  })

  it('answers the request in hand when it closes, and ends its connection with that', async () => {
    const server = ours()
    const { port } = await server.listen('127.0.0.1', 0)
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString()
    })
    socket.write('POST /api/info HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: 2\r\n\r\n{')
    await until('the request has begun', async () => (await get(port, '/health/live'))[0] === 200)
    const ended = once(socket, 'close')
    const closed = server.close(600_000)
    socket.write('}')
    await Promise.all([ended, closed])
    expect(answer).toContain('HTTP/1.1 200 OK')
    expect(answer.toLowerCase()).toContain('connection: close')
    expect(answer).toContain('"nodes"')
  })

  it('stops accepting at once and cuts what stays open', async () => {
    const server = ours()
    const { port } = await server.listen('127.0.0.1', 0)
    await greeting(port, '/connection/websocket')
    const idle = connect(port, '127.0.0.1')
    await once(idle, 'connect')
    const gone = once(idle, 'close')
    const closed = server.close(50)
    await expect(get(port, '/health/live')).rejects.toThrow()
    await closed
    await gone
  })
})

describe("an application's server", () => {
  it('keeps everything but our paths, for listeners that were there and that come later', async () => {
    const app = createServer()
    const seen: string[] = []
    app.on('request', (request, response) => {
      seen.push(request.url ?? '')
      response.end('app')
    })
    const server = ours()
    server.attach(app)
    app.on('request', request => seen.push(`late ${request.url}`))
    const port = await serve(app)
    expect(await get(port, '/health/ready')).toMatchObject([200, expect.stringContaining('"ready"')])
    expect(await get(port, '/')).toEqual([200, 'app'])
    expect(await get(port, '/api/orders')).toEqual([200, 'app'])
    expect(await get(port, '/healthy')).toEqual([200, 'app'])
    expect(seen).toEqual(['/', 'late /', '/api/orders', 'late /api/orders', '/healthy', 'late /healthy'])
    const info = await fetch(`http://127.0.0.1:${port}/api/info`, {
      method: 'POST',
      headers: { 'x-api-key': 'k' },
    })
    expect(await info.json()).toMatchObject({ result: { nodes: [{ name: 'a' }] } })
  })

  it("keeps its own upgrades, even where it takes every path's", async () => {
    const app = createServer((_, response) => response.end('app'))
    const own = new WebSocketServer({ server: app })
    own.on('connection', socket => socket.send('app'))
    ours().attach(app)
    const port = await serve(app)
    expect(await greeting(port, '/chat')).toBe('app')
    expect(await greeting(port, '/connection/websocket')).toBe('ours')
    own.close()
  })

  it('refuses upgrades that nobody wants, instead of letting them hang', async () => {
    const app = createServer((_, response) => response.end('app'))
    ours().attach(app)
    expect(await greeting(await serve(app), '/chat')).toBe('404')
  })

  it('answers for other paths where the application does not listen at all', async () => {
    const app = createServer()
    ours().attach(app)
    const port = await serve(app)
    expect((await get(port, '/elsewhere'))[0]).toBe(404)
    expect((await get(port, '/health/live'))[0]).toBe(200)
  })

  it('has whoever comes wait until what has to be known is known', async () => {
    const begun = Promise.withResolvers<void>()
    const server = createServer()
    ours().attach(server, begun.promise)
    const port = await serve(server)
    const answered: unknown[] = []
    let sockets = 0
    server.on('connection', () => sockets++)
    const asked = Promise.all([
      greeting(port, '/connection/websocket').then(each => answered.push(each)),
      get(port, '/health/live').then(([status]) => answered.push(status)),
    ])
    await vi.waitFor(() => expect(sockets).toBe(2))
    expect(answered).toEqual([])
    begun.reject(new Error('whatever came of it'))
    await asked
    expect(answered.sort()).toEqual([200, 'ours'])
  })

  it('gets its paths back when we close, and is not closed', async () => {
    const app = createServer((_, response) => response.end('app'))
    const server = ours()
    server.attach(app)
    const port = await serve(app)
    expect((await get(port, '/health/live'))[1]).not.toBe('app')
    await server.close(100)
    expect(await get(port, '/health/live')).toEqual([200, 'app'])
    expect(app.listenerCount('upgrade')).toBe(0)
    expect(app.listening).toBe(true)
  })

  it('passes requests with a body on whole', async () => {
    const app = createServer((request, response) => request.pipe(response))
    ours().attach(app)
    const port = await serve(app)
    const echo = httpRequest({ port, host: '127.0.0.1', path: '/echo', method: 'POST' })
    const bodies: Buffer[] = []
    echo.on('response', response => response.on('data', chunk => bodies.push(chunk)))
    echo.end('x'.repeat(100_000))
    await vi.waitFor(() => expect(Buffer.concat(bodies).length).toBe(100_000))
  })
})
