import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy that can stop passing bytes on without closing anything: a half-open connection on demand. */
export interface HalfOpenProxy {
  readonly port: number
  /** Connections made so far. */
  readonly accepted: number
  /** Bytes of connections that exist now vanish in both directions; new connections work. */
  swallowPresent(): void
  /** Closes all connections that exist now. */
  cut(): void
  stop(): Promise<void>
}

/** `delayMs`: how long bytes from a client are under way. */
export async function startHalfOpenProxy(
  target: { host: string; port: number },
  delayMs = 0,
): Promise<HalfOpenProxy> {
  const pairs = new Set<{ inner: Socket; outer: Socket; swallowing: boolean }>()
  let accepted = 0
  const server = createServer(outer => {
    accepted++
    const inner = connect({ ...target, noDelay: true })
    outer.setNoDelay(true)
    const pair = { inner, outer, swallowing: false }
    pairs.add(pair)
    const pass = (from: Socket, to: Socket, delay: number) => {
      from.on('data', chunk => {
        const write = () => {
          if (!pair.swallowing) to.write(chunk)
        }
        if (delay > 0) setTimeout(write, delay)
        else write()
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        pairs.delete(pair)
        if (!pair.swallowing) to.destroy()
      })
    }
    pass(outer, inner, delayMs)
    pass(inner, outer, 0)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const end = () => {
    for (const { inner, outer } of pairs) {
      inner.destroy()
      outer.destroy()
    }
  }
  return {
    port: address.port,
    get accepted() {
      return accepted
    },
    swallowPresent() {
      for (const pair of pairs) pair.swallowing = true
    },
    cut: end,
    async stop() {
      end()
      server.close()
      await once(server, 'close')
    },
  }
}
