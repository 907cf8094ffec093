import type { NamespaceOptions, Position } from '../../src/domain/index.ts'
import type { Lane, Packet } from '../../src/hub/index.ts'
import type { RealtimeTier } from '../../src/realtime/index.ts'
import { RecordingOutlet } from './recording-outlet.ts'

export interface Numbered {
  readonly by: string
  readonly n: number
  /** When it was published, by `performance.now()` of the one process that all run in. */
  readonly at: number
}

export interface Seen extends Numbered {
  readonly seenAt: number
  /** It came as part of a subscribe reply, so its age says nothing. */
  readonly recovered: boolean
}

interface Push {
  readonly push: { readonly pub?: { readonly data: Numbered; readonly offset?: number } }
}

/** A client as an official SDK is one: it keeps its place, comes back from it when it is ended, and hears whether it recovered. */
export class Follower {
  readonly seen: Seen[] = []
  /** How often it was told that something may be missing. */
  told = 0
  ended = 0
  readonly #tier: RealtimeTier
  readonly #channel: string
  readonly #options: NamespaceOptions
  readonly #outlet: RecordingOutlet
  #place: Position | undefined
  #entering: Promise<void> | undefined

  constructor(tier: RealtimeTier, channel: string, options: NamespaceOptions) {
    this.#tier = tier
    this.#channel = channel
    this.#options = options
    const follower = this
    this.#outlet = new (class extends RecordingOutlet {
      override push(lane: Lane, packet: Packet): void {
        super.push(lane, packet)
        for (const line of packet.payload.toString().split('\n')) follower.#take(line)
      }
    })()
    this.#outlet.onEnd = () => {
      this.ended++
      this.#tier.unsubscribe(this.#channel, this.#outlet.client)
      void this.enter()
    }
  }

  get place(): Position | undefined {
    return this.#place
  }

  /** Whether it is subscribed, and not on its way. */
  get settled(): boolean {
    return this.#entering === undefined
  }

  enter(): Promise<void> {
    this.#entering = this.#enter().finally(() => {
      this.#entering = undefined
    })
    return this.#entering
  }

  async #enter(): Promise<void> {
    const recover = this.#place
    const { tier, channel } = { tier: this.#tier, channel: this.#channel }
    const subscription = await tier.subscribe({
      channel,
      outlet: this.#outlet,
      options: this.#options,
      ...(recover && { recover }),
    })
    const { position, publications, recoverable, recovered, wasRecovering } = subscription
    if (recoverable && position) this.#place = position
    if (wasRecovering && !recovered) this.told++
    for (const text of publications) this.#see(JSON.parse(text) as NonNullable<Push['push']['pub']>, true)
    subscription.join()
  }

  #take(line: string): void {
    const { pub } = (JSON.parse(line) as Push).push
    if (pub) this.#see(pub, false)
  }

  #see({ data, offset }: NonNullable<Push['push']['pub']>, recovered: boolean): void {
    this.seen.push({ ...data, seenAt: performance.now(), recovered })
    if (offset && this.#place) this.#place = { ...this.#place, offset }
  }
}
