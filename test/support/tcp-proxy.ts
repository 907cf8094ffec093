import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Lane, type LaneState, type Pace } from './tcp-lane.ts'

export type Way = 'toServer' | 'toClient'

export interface Where {
  /** Both where it is not said. */
  readonly way?: Way
  /** The connections of this moment, those to come, or all; all where it is not said. */
  readonly connections?: 'present' | 'new' | 'all'
  /** Of the present connections only these, by their port as the server sees it (Redis: `addr` of CLIENT LIST). */
  only?(port: number): boolean
}

/** A proxy in front of a TCP server that does to connections what networks do. */
export interface TcpProxy {
  readonly port: number
  /** Connections made so far, and those of this moment. */
  readonly accepted: number
  readonly open: number
  /** Bytes that have been passed on. */
  readonly bytes: Readonly<Record<Way, number>>
  /** `url` with the proxy's address instead of its own. */
  through(url: string): string
  /** New connections lead there; cut the present ones where they shall not stay. */
  pointTo(target: string): void
  /**
   * A black hole that ends: nothing passes, nobody is told, and after `heal` everything that was sent arrives, as TCP
   * repeats what is not confirmed. New connections are accepted and stay without a word: a proxy can't lose a SYN.
   */
  hold(where?: Where): void
  /** A black hole for good: bytes vanish, nobody is told, and the connections never come back to life. */
  swallow(where?: Where): void
  /** For present and new connections. `jitterMs` is added by chance, up to so much. */
  slow(pace: Partial<Pace> & { readonly way?: Way }): void
  /** Ends present connections: RST as a crashed machine answers, FIN as a stopped server does. */
  cut(how?: 'rst' | 'fin', only?: (port: number) => boolean): void
  /** From now on new connections are refused. */
  refuse(): void
  /** From now on every answer is lost: when the server says something, both sides are cut. */
  loseAnswers(): void
  answerAgain(): void
  /** How many answers were lost. */
  lost(): number
  /** Everything as at the beginning; connections that bytes have vanished from are cut by RST. */
  heal(): Promise<void>
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly lanes: Record<Way, Lane>
  /** Both sides hear of it: a side that has failed by RST, one that has closed by FIN. */
  end(how?: 'rst' | 'fin'): void
}

const ways = ['toServer', 'toClient'] as const
const free: Pace = { delayMs: 0, jitterMs: 0, bytesPerSecond: Infinity }

/** `random`: for jitter, in [0, 1). */
export async function tcpProxy(target: string, random: () => number = Math.random): Promise<TcpProxy> {
  let { hostname, port: targetPort } = new URL(target)
  const pairs = new Set<Pair>()
  const bytes = { toServer: 0, toClient: 0 }
  const pace: Record<Way, Pace> = { toServer: free, toClient: free }
  const forNew: Record<Way, LaneState> = { toServer: 'passing', toClient: 'passing' }
  let accepted = 0
  let losing = false
  let lost = 0

  const take = (client: Socket) => {
    accepted++
    const server = connect({ port: Number(targetPort), host: hostname, noDelay: true, allowHalfOpen: true })
    client.setNoDelay(true)
    // Before the lane's own listener, so that a lost answer is lost also where it would have waited.
    server.on('data', () => {
      if (!losing) return
      lost++
      pair.end()
    })
    const lane = (way: Way, from: Socket, to: Socket) =>
      new Lane(
        from,
        to,
        () => pace[way],
        random,
        count => {
          bytes[way] += count
        },
      )
    const lanes = { toServer: lane('toServer', client, server), toClient: lane('toClient', server, client) }
    const pair: Pair = {
      client,
      server,
      lanes,
      end(how = 'fin') {
        pairs.delete(pair)
        for (const way of ways) lanes[way].stop()
        for (const socket of [client, server]) {
          // A socket that is just ending can't be reset any more: Node would give up its handle without closing it.
          if (how === 'rst' && !socket.writableEnded) socket.resetAndDestroy()
          else socket.destroy()
        }
      },
    }
    pairs.add(pair)
    for (const [socket, way] of [
      [client, 'toServer'],
      [server, 'toClient'],
    ] as const) {
      socket.on('error', () => undefined)
      socket.on('close', failed => {
        // A side that vanishes in a black hole is not heard of by the other until that ends.
        if (lanes[way].state === 'passing') pair.end(failed ? 'rst' : 'fin')
      })
    }
    for (const way of ways) lanes[way].state = forNew[way]
  }

  let listener: Server | undefined = createServer({ allowHalfOpen: true }, take)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  const { port } = address

  const become = (state: LaneState, { way, connections = 'all', only }: Where = {}) => {
    for (const each of way ? [way] : ways) {
      if (connections !== 'present') forNew[each] = state
      if (connections === 'new') continue
      for (const { server, lanes } of pairs)
        if (!only || only(server.localPort ?? 0)) lanes[each].state = state
    }
  }
  const cut = (how: 'rst' | 'fin', which: (pair: Pair) => boolean) => {
    for (const pair of pairs) if (which(pair)) pair.end(how)
  }

  return {
    port,
    get accepted() {
      return accepted
    },
    get open() {
      return pairs.size
    },
    bytes,
    through(url) {
      const changed = new URL(url)
      changed.host = `127.0.0.1:${port}`
      return changed.href
    },
    pointTo(other) {
      ;({ hostname, port: targetPort } = new URL(other))
    },
    hold: where => become('held', where),
    swallow: where => become('swallowed', where),
    slow({ way, ...changed }) {
      for (const each of way ? [way] : ways) pace[each] = { ...free, ...changed }
    },
    cut: (how = 'rst', only) => cut(how, ({ server }) => !only || only(server.localPort ?? 0)),
    refuse() {
      listener?.close()
      listener = undefined
    },
    loseAnswers() {
      losing = true
    },
    answerAgain() {
      losing = false
    },
    lost: () => lost,
    async heal() {
      losing = false
      for (const way of ways) {
        pace[way] = free
        forNew[way] = 'passing'
      }
      cut('rst', ({ lanes }) => ways.some(way => lanes[way].state === 'swallowed'))
      become('passing')
      cut('rst', ({ client, server }) => client.destroyed || server.destroyed)
      if (listener) return
      listener = createServer({ allowHalfOpen: true }, take).listen(port, '127.0.0.1')
      await once(listener, 'listening')
    },
    async close() {
      const closed = listener && once(listener, 'close')
      listener?.close()
      cut('rst', () => true)
      await closed
    },
  }
}
