import type { ClientInfo, NamespaceOptions } from '../domain/index.ts'
import { Lane, type Outlet, type Packet, type Turn } from '../hub/index.ts'
import { unsubscribes } from '../protocol/index.ts'
import type { Mailbox } from './mailbox.ts'
import type { PacketOwner } from './packet-queue.ts'
import { steadyExpiry } from './steady-clock.ts'
import type { ChannelGrant } from './types.ts'

/** Where the reply can't be sent although so many times as much is held as should be, the subscription is given up. */
const mostHeldTimes = 4

export interface SubscriptionOwner {
  readonly client: string
  readonly user: string
  readonly mailbox: Mailbox
  endSubscription(subscription: SessionSubscription, code: number, reason: string): void
}

/**
 * One subscription of a session, and the outlet that the tiers fill for it. A new subscription to the same channel
 * is a new object: what still comes or waits for an ended one is dropped, so that it can neither reach the next
 * one as a duplicate nor tear it down.
 *
 *   opening ─► joined (the tier delivers, held here) ─► told (the reply is out, delivery flows) ─► ended
 */
export class SessionSubscription implements Outlet, PacketOwner {
  readonly channel: string
  readonly options: NamespaceOptions
  readonly serverSide: boolean
  #grant: ChannelGrant = {}
  #expiresAtMs: number | undefined
  /** Whether the grant came from a channel token. */
  byToken = false
  /** Whether others have been told of the client's presence, which then has to be taken back. */
  entered = false
  announced = false
  /** Whether a tier may know of it, and has to be told of the end. */
  inTier = false
  live = false
  ended = false
  /** How the server ended it before the client knew of it; SDKs ignore a word about that until they are answered. */
  endedEarly: { readonly code: number; readonly reason: string } | undefined
  /** Called when so much is held that the reply must not wait any longer. */
  onHoldFull: (() => void) | undefined
  readonly #owner: SubscriptionOwner
  readonly #mailbox: Mailbox
  readonly #maxHeldBytes: number
  #held: [Lane, Packet][] | undefined = []
  #heldBytes = 0
  #waitingForTold: (() => void)[] = []

  constructor(
    owner: SubscriptionOwner,
    about: { channel: string; options: NamespaceOptions; serverSide: boolean; maxHeldBytes: number },
  ) {
    this.#owner = owner
    this.#mailbox = owner.mailbox
    this.channel = about.channel
    this.options = about.options
    this.serverSide = about.serverSide
    this.#maxHeldBytes = about.maxHeldBytes
  }

  get grant(): ChannelGrant {
    return this.#grant
  }

  set grant(grant: ChannelGrant) {
    this.#grant = grant
    this.#expiresAtMs = steadyExpiry(grant.expireAt)
  }

  /** Whether its grant has ended more than `graceMs` ago; `nowMs` by the steady clock. */
  expired(nowMs: number, graceMs: number): boolean {
    return this.#expiresAtMs !== undefined && this.#expiresAtMs + graceMs < nowMs
  }

  get client(): string {
    return this.#owner.client
  }

  get user(): string {
    return this.#owner.user
  }

  get closed(): boolean {
    return this.ended
  }

  get turn(): Turn {
    return this.#mailbox.turn
  }

  /** The client as others in this channel see it. */
  infoOf(client: ClientInfo): ClientInfo {
    return this.grant.info === undefined ? client : { ...client, chanInfo: this.grant.info }
  }

  push(lane: Lane, packet: Packet): void {
    if (this.ended) {
      this.#mailbox.lose(lane, packet.messages)
      return
    }
    if (!this.#held) {
      this.#mailbox.push(lane, packet, this)
      return
    }
    this.#held.push([lane, packet])
    if (lane === Lane.replay) return
    this.#heldBytes += packet.frame.length
    if (this.#heldBytes <= this.#maxHeldBytes) return
    this.onHoldFull?.()
    // A server-side one can not overtake: its reply waits for all others of its connection.
    if (this.#held && this.#heldBytes > this.#maxHeldBytes * mostHeldTimes) {
      const { code, reason } = unsubscribes.insufficientState
      this.endSubscription(this.channel, code, reason)
    }
  }

  async replayRoom(): Promise<void> {
    if (this.#held && !this.ended) await new Promise<void>(resolve => this.#waitingForTold.push(resolve))
    if (!this.ended) await this.#mailbox.replayRoom()
  }

  endSubscription(channel: string, code: number, reason: string): void {
    if (!this.ended && channel === this.channel) this.#owner.endSubscription(this, code, reason)
  }

  /** Whether the client knows of it. */
  get known(): boolean {
    return this.#held === undefined
  }

  /** The client knows of the subscription: what was held follows. */
  told(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const [lane, packet] of held) this.push(lane, packet)
    this.#release()
  }

  end(): void {
    this.ended = true
    this.live = false
    for (const [lane, packet] of this.#held ?? []) this.#mailbox.lose(lane, packet.messages)
    this.#held = undefined
    this.#release()
  }

  #release(): void {
    for (const resolve of this.#waitingForTold) resolve()
    this.#waitingForTold = []
  }
}
