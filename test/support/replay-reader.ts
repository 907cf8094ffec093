import { once } from 'node:events'
import { WebSocket } from 'ws'

/**
 * Reads a channel's replay from a socket and keeps nothing but the last offset: for more events than should lie in
 * memory. Any event but the next one ends it with an error.
 */
export interface ReplayReader {
  /** The last offset that has come. */
  readonly at: number
  /** How many events rode in the reply, and how many came as pushes. */
  readonly inReply: number
  readonly pushed: number
  /** Settles when `until` has come. */
  readonly done: Promise<void>
  close(): void
}

export interface ReplayReaderOptions {
  readonly channel: string
  readonly since: number
  readonly until: number
  /** Looked at after each frame: while it is true, nothing is read from the socket. */
  readonly rests?: (at: number) => boolean
}

export async function openReplayReader(url: string, options: ReplayReaderOptions): Promise<ReplayReader> {
  const { channel, since, until, rests } = options
  const socket = new WebSocket(url, { perMessageDeflate: false })
  await once(socket, 'open')
  const done = Promise.withResolvers<void>()
  const reader = { at: since, inReply: 0, pushed: 0, done: done.promise, close: () => socket.terminate() }
  const fail = (why: string) => {
    done.reject(new Error(`${channel} at ${reader.at}: ${why}`))
    socket.terminate()
  }
  /** How many events of the text follow one another from our place on. */
  const take = (text: string): number => {
    const before = reader.at
    for (const [, offset] of text.matchAll(/"offset":(\d+),"tags"|"tags":\{[^}]*\},"offset":(\d+)/g)) {
      if (Number(offset) !== reader.at + 1) fail(`expected ${reader.at + 1}, got ${offset}`)
      reader.at = Number(offset)
    }
    return reader.at - before
  }
  const rest = () => {
    socket.pause()
    const timer = setInterval(() => {
      if (rests?.(reader.at) && socket.readyState === WebSocket.OPEN) return
      clearInterval(timer)
      socket.resume()
    }, 5)
  }
  socket.on('message', (bytes: Buffer) => {
    const text = bytes.toString()
    for (const line of text.split('\n')) {
      if (line === '{}') socket.send('{}')
      else if (line.startsWith('{"push"')) reader.pushed += take(line)
      else if (line.includes('"error"')) fail(line)
      else if (line.includes('"subscribe"')) {
        if (!line.includes('"recovered":true')) fail(line.slice(0, 200))
        reader.inReply += take(line)
      }
    }
    if (reader.at >= until) done.resolve()
    if (rests?.(reader.at)) rest()
  })
  socket.on('close', code => fail(`closed with ${code}`))
  socket.on('error', () => undefined)
  socket.send(JSON.stringify({ id: 1, connect: {} }))
  socket.send(JSON.stringify({ id: 2, subscribe: { channel, recover: true, offset: since } }))
  return reader
}
