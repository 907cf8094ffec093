import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { frameBytes } from './raw-socket.ts'

/** A session that comes back: what it had of its channel, and the channel's head. */
export interface Returning {
  readonly channel: string
  readonly since: number
  readonly head: number
}

export interface Storm {
  /** Closes all connections. */
  end(): Promise<void>
}

/** Handshakes under way at once; as many as a node's listen queue takes without a repeat of the SYN. */
const atOnce = 400

/**
 * Sessions come back all at once, each over a real socket of its own: handshake, then connect and subscribe in one
 * frame. One that the node refuses because it has too much to do comes again after as long as it was told. Resolves when
 * each has exactly what it had missed, in order; a session that gets anything else rejects.
 */
export async function startStorm(
  port: number,
  sessions: readonly Returning[],
  token?: string,
): Promise<Storm> {
  const sockets: Socket[] = []
  const waiting = [...sessions.entries()]
  const worker = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop())
      sockets.push(await comeBack(port, next[1], token))
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
  } catch (error) {
    for (const socket of sockets) socket.destroy()
    throw error
  }
  return {
    async end() {
      const closed = sockets.map(socket => new Promise(resolve => socket.once('close', resolve)))
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

async function comeBack(port: number, session: Returning, token: string | undefined): Promise<Socket> {
  for (;;) {
    const came = await comeOnce(port, session, token)
    if (typeof came !== 'number') return came
    await delay(came * 1_000 * (1 + Math.random()))
  }
}

/** A number: refused, and told to wait for so many seconds. */
function comeOnce(
  port: number,
  { channel, since, head }: Returning,
  token: string | undefined,
): Promise<Socket | number> {
  const done = Promise.withResolvers<Socket | number>()
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  let upgraded = false
  const look = () => {
    if (!upgraded) {
      if (!text.includes('\r\n\r\n')) return
      const retryAfter = /^HTTP\/1.1 503 .*Retry-After: (\d+)/s.exec(text)
      if (retryAfter) {
        socket.destroy()
        done.resolve(Number(retryAfter[1]))
        return
      }
      if (!text.startsWith('HTTP/1.1 101 ')) done.reject(new Error(text))
      upgraded = true
      text = text.slice(text.indexOf('\r\n\r\n') + 4)
      const commands = [
        { id: 1, connect: token === undefined ? {} : { token } },
        { id: 2, subscribe: { channel, recover: true, offset: since } },
      ]
      socket.write(frameBytes(commands.map(each => JSON.stringify(each)).join('\n')))
      return
    }
    if (text.includes('"error"')) done.reject(new Error(text))
    if (!text.includes('"recovered":true')) return
    const offsets = [...text.matchAll(/"offset":(\d+),"tags"/g)].map(([, offset]) => Number(offset))
    const next = offsets.findIndex((offset, i) => offset !== since + 1 + i)
    if (next >= 0) done.reject(new Error(`${channel} since ${since}: got ${offsets[next]} at place ${next}`))
    if (offsets.length < head - since) return
    text = ''
    socket.removeListener('data', take)
    socket.resume()
    done.resolve(socket)
  }
  const take = (bytes: Buffer) => {
    text += bytes.toString('latin1')
    look()
  }
  socket.on('data', take)
  socket.on('error', error => done.reject(error))
  socket.on('close', () =>
    done.reject(new Error(`${channel} since ${since}: cut after ${text.slice(0, 300)}`)),
  )
  socket.write(
    'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  return done.promise
}
