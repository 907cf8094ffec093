import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A proxy before Postgres that counts round trips: how often a connection has said something after it had been answered.
 * Several statements that are sent together are one.
 */
export class TripCounter implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #url: string
  trips = 0

  private constructor(url: string) {
    this.#url = url
    const target = new URL(url)
    this.#server = createServer(client => {
      const upstream = connect(Number(target.port), target.hostname)
      let asking = false
      client.on('data', chunk => {
        if (!asking) this.trips++
        asking = true
        upstream.write(chunk)
      })
      upstream.on('data', chunk => {
        asking = false
        client.write(chunk)
      })
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket.setNoDelay(true))
        socket.on('error', () => undefined)
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
    })
  }

  static async before(url: string): Promise<TripCounter> {
    const counter = new TripCounter(url)
    counter.#server.listen(0, '127.0.0.1')
    await once(counter.#server, 'listening')
    return counter
  }

  /** The database's address by way of the counter. */
  get url(): string {
    const through = new URL(this.#url)
    through.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return through.href
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
