import { frameBytes, RawSocket } from '../../support/raw-socket.ts'
import { until } from '../../support/until.ts'

/** Connections that say nothing but what the protocol wants, made to see whether a node cuts them. */
export class Bystanders {
  readonly sockets: readonly RawSocket[]

  private constructor(sockets: readonly RawSocket[]) {
    this.sockets = sockets
  }

  /** Each subscribes to `channel`, where there is one. */
  static async connect(port: number, count: number, token: string, channel?: string): Promise<Bystanders> {
    const sockets = await Promise.all(Array.from({ length: count }, () => RawSocket.open(port)))
    const commands: object[] = [{ id: 1, connect: { token } }]
    if (channel !== undefined) commands.push({ id: 2, subscribe: { channel } })
    for (const each of sockets) each.write(frameBytes(commands.map(one => JSON.stringify(one)).join('\n')))
    const answered = (each: RawSocket) => each.text.includes(`"id":${commands.length}`)
    await until('bystanders are connected', () => sockets.every(answered))
    return new Bystanders(sockets)
  }

  destroy(): void {
    for (const each of this.sockets) each.destroy()
  }

  /** @throws Error with what was said to those that are gone */
  expectAll(when: string): void {
    const gone = this.sockets.filter(each => each.closed)
    const [first] = gone
    this.destroy()
    if (first)
      throw new Error(`${gone.length} of ${this.sockets.length} were cut ${when}: ${first.text.slice(-200)}`)
  }
}
