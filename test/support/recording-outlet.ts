import { type Lane, type Outlet, type Packet, Turn } from '../../src/hub/index.ts'

let made = 0

/** A session that writes down what a tier hands to it. */
export class RecordingOutlet implements Outlet {
  readonly client: string
  readonly user: string
  readonly turn = new Turn()
  closed = false
  readonly lines: string[] = []
  readonly packets: { lane: Lane; packet: Packet }[] = []
  readonly ended: { channel: string; code: number }[] = []
  onEnd: (channel: string) => void = () => undefined

  constructor(user = 'someone', client = `client-${++made}`) {
    this.client = client
    this.user = user
  }

  push(lane: Lane, packet: Packet): void {
    if (this.closed) return
    this.packets.push({ lane, packet })
    this.lines.push(...packet.payload.toString().split('\n'))
  }

  async replayRoom(): Promise<void> {}

  endSubscription(channel: string, code: number): void {
    this.ended.push({ channel, code })
    this.onEnd(channel)
  }

  /** The publications' data, parsed. */
  data(): unknown[] {
    return this.#pushes().flatMap(push => (push.pub ? [push.pub.data] : []))
  }

  offsets(): number[] {
    return this.#pushes().flatMap(push => (push.pub?.offset ? [push.pub.offset] : []))
  }

  /** `join a`, `leave a` and so on, by client. */
  announcements(): string[] {
    return this.#pushes().flatMap(push => [
      ...(push.join ? [`join ${push.join.info.client}`] : []),
      ...(push.leave ? [`leave ${push.leave.info.client}`] : []),
    ])
  }

  #pushes(): Push[] {
    return this.lines.map(line => (JSON.parse(line) as { push: Push }).push)
  }
}

interface Push {
  pub?: { data: unknown; offset?: number }
  join?: { info: { client: string } }
  leave?: { info: { client: string } }
}
