import { randomUUID } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Centrifuge } from 'centrifuge'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { connect, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const setup = fileURLToPath(new URL('../support/burden-setup.ts', import.meta.url))
/** Its loop is really loaded, and its heap is really nearly full. */
describe('a node that has too much to do', () => {
  let cluster: Cluster
  let node: Node
  let inside: Centrifuge
  const log: string[] = []

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 0,
      setup,
      config: { limits: { shedLagMs: 150, shedMemoryShare: 0.75 }, log: { level: 'info' } },
    })
    node = await cluster.start({ env: { NODE_OPTIONS: '--max-old-space-size=256' } })
    node.process.stdout?.on('data', (chunk: Buffer) => log.push(chunk.toString()))
    inside = await connect(node.url, 'ann', { timeout: 20_000 })
  })
  afterEach(() => inside.rpc('burn', { turnMs: 0 }))
  afterAll(async () => {
    inside?.disconnect()
    await cluster?.close()
  })

  const busy = async () => {
    const response = await fetch(`${node.http}/health/ready`)
    const { status, parts } = (await response.json()) as { status: string; parts: { busy: string[] } }
    // Never taken out of the balancer for it: the others have as much to do.
    expect(response.status).toBe(200)
    if (parts.busy.length > 0) expect(status).toBe('degraded')
    return parts.busy
  }
  /** Until it is taken: with such turns, Postgres may seem too slow to the node. */
  const append = async (channel: string, data: number) => {
    const id = randomUUID()
    const command = { channel, type: 'Said', data, id }
    await until('it is recorded', () =>
      inside.rpc('holdfast.append', command).then(
        () => true,
        () => false,
      ),
    )
  }
  const metric = async (name: string, reason: string) => {
    const text = await (await fetch(`${node.http}/metrics`)).text()
    return Number(new RegExp(`^${name}\\{reason="${reason}"\\} (\\S+)$`, 'm').exec(text)?.[1])
  }

  it('by its event loop refuses new connections with a hint, serves those it has, and recovers', async () => {
    const room = await subscribe(inside, 'room:1')
    const orders = await subscribe(inside, 'order:1')
    await until('it is at ease', async () => (await busy()).length === 0)
    expect(await handshake(node.port)).toMatch(/^HTTP\/1\.1 101 /)

    await inside.rpc('burn', { turnMs: 250 })
    await until('the node says that it is busy', async () => (await busy()).includes('event_loop'), 30_000)
    const refused = await handshake(node.port)
    expect(refused).toMatch(/^HTTP\/1\.1 503 /)
    expect(Number(/^Retry-After: (\d+)\r$/m.exec(refused)?.[1])).toBeGreaterThanOrEqual(2)
    // A browser's SDK sees no status and no header: it tries again, each time later.
    const outside = connect(node.url, 'bob', { minReconnectDelay: 200, maxReconnectDelay: 1_000 })
    outside.catch(() => undefined)
    await Promise.all([1, 2, 3].flatMap(n => [inside.publish('room:1', n), append('order:1', n)]))
    await until('all of it has come', () => room.data().length === 3 && orders.data().length === 3)
    expect(inside.state).toBe('connected')
    expect(await metric('holdfast_shedding', 'event_loop')).toBe(1)
    expect(await metric('holdfast_shed_total', 'event_loop')).toBeGreaterThanOrEqual(1)

    await inside.rpc('burn', { turnMs: 0 })
    await until('it has recovered', async () => (await busy()).length === 0, 30_000)
    expect(await handshake(node.port)).toMatch(/^HTTP\/1\.1 101 /)
    const bob = await outside
    expect(bob.state).toBe('connected')
    bob.disconnect()
    const said = log.join('')
    expect(said).toContain('the node is overloaded')
    expect(said.match(/the load has gone down/g)).toHaveLength(
      said.match(/the node is overloaded/g)?.length ?? 0,
    )
  }, 90_000)

  it('by its memory refuses new connections and reading pasts, and recovers', async () => {
    const orders = await subscribe(inside, 'order:2')
    await append('order:2', 1)
    await inside.rpc('keep', { share: 0.8 })
    await until(
      'the node says that it is short of memory',
      // A connection that was kept alive may have been closed while the node was at it.
      async () => (await busy().catch((): string[] => [])).includes('memory'),
      30_000,
    )
    expect(await handshake(node.port)).toMatch(/^HTTP\/1\.1 503 /)
    await expect(inside.history('order:2', { limit: 10 })).rejects.toMatchObject({
      code: 100,
      temporary: true,
    })
    expect((await inside.history('order:2', { limit: 0 })).offset).toBe(1)
    const past = inside.newSubscription('order:1:past', { since: { offset: 0, epoch: '' } })
    const refusal = new Promise<number>(resolve => past.on('error', ({ error }) => resolve(error.code)))
    past.subscribe()
    expect(await refusal).toBe(100)
    await append('order:2', 2)
    await until('what is new goes on', () => orders.data().length === 2)
    expect(await metric('holdfast_shed_total', 'memory')).toBeGreaterThanOrEqual(2)

    await inside.rpc('keep', { share: 0 })
    await until('it has recovered', async () => (await busy().catch(() => ['away'])).length === 0, 30_000)
    expect((await inside.history('order:2', { limit: 10 })).publications).toHaveLength(2)
    // The SDK has come back for it by itself.
    await past.ready(20_000)
  }, 90_000)
})

/** The first line and the headers with which a handshake is answered. */
function handshake(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      socket.destroy()
      resolve(text)
    })
    socket.on('error', reject)
    socket.write(
      'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
  })
}
