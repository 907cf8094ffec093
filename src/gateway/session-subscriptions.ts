import { type ClientInfo, HoldfastError } from '../domain/index.ts'
import type { RecoverRequest, Subscription } from '../hub/index.ts'
import { disconnects, pushUnsubscribe, unsubscribes } from '../protocol/index.ts'
import type { Mailbox } from './mailbox.ts'
import type { GatewayParts } from './parts.ts'
import { SessionSubscription, type SubscriptionOwner } from './session-subscription.ts'
import type { ChannelGrant, Requester } from './types.ts'

/** The session that the subscriptions belong to. */
export interface SubscribingSession {
  readonly client: string
  readonly user: string
  readonly info: ClientInfo
  readonly mailbox: Mailbox
  end(disconnect: { readonly code: number; readonly reason: string }): void
}

/** How much may be delivered to a subscription before its reply is out. */
const maxHeldBytes = 262_144

/**
 * The subscriptions of one session. Each is entered before the first wait and taken out exactly once; whoever
 * waited meanwhile finds it `ended` and undoes what it has done since.
 */
export class SessionSubscriptions implements Requester, SubscriptionOwner {
  readonly #session: SubscribingSession
  readonly #parts: GatewayParts
  readonly #byChannel = new Map<string, SessionSubscription>()

  constructor(session: SubscribingSession, parts: GatewayParts) {
    this.#session = session
    this.#parts = parts
  }

  get client(): string {
    return this.#session.client
  }

  get user(): string {
    return this.#session.user
  }

  get mailbox(): Mailbox {
    return this.#session.mailbox
  }

  get size(): number {
    return this.#byChannel.size
  }

  channels(): IterableIterator<string> {
    return this.#byChannel.keys()
  }

  get(channel: string): SessionSubscription | undefined {
    return this.#byChannel.get(channel)
  }

  subscribed(channel: string): boolean {
    return this.#byChannel.get(channel)?.live === true
  }

  grant(channel: string): ChannelGrant | undefined {
    const subscription = this.#byChannel.get(channel)
    return subscription?.live && subscription.byToken ? subscription.grant : undefined
  }

  /**
   * Makes a place for a subscription.
   * @throws HoldfastError CHANNEL_UNKNOWN, CHANNEL_INVALID, ALREADY_SUBSCRIBED, LIMIT_EXCEEDED
   */
  open(channel: string, { serverSide }: { serverSide: boolean }): SessionSubscription {
    const options = this.#parts.router.options(channel)
    if (this.#byChannel.has(channel)) {
      throw new HoldfastError('ALREADY_SUBSCRIBED', `already subscribed to ${channel}`)
    }
    if (this.#byChannel.size >= this.#parts.config.limits.maxChannelsPerConnection) {
      throw new HoldfastError('LIMIT_EXCEEDED', `no more than ${this.#byChannel.size} channels a connection`)
    }
    const subscription = new SessionSubscription(this, { channel, options, serverSide, maxHeldBytes })
    this.#byChannel.set(channel, subscription)
    return subscription
  }

  /**
   * Asks the channel's tier and makes the subscription live. What the tier delivers from then on is held until
   * `told`. Presence is entered at the same time, so that who reads it after the reply finds the client in it.
   * @throws HoldfastError what the tier throws; NOT_AVAILABLE without a durable tier
   */
  async join(
    subscription: SessionSubscription,
    wish: {
      recover?: RecoverRequest | undefined
      positioned?: boolean
      recoverable?: boolean
      rejectUnrecovered?: boolean
    },
  ): Promise<Subscription | undefined> {
    const { options, grant } = subscription
    if (options.presence && !grant.unseen) this.#enter(subscription)
    const accompanied =
      options.tier === 'durable' && options.joinLeave ? this.#accompany(subscription) : undefined
    let joined: Subscription
    let companion: Subscription | undefined
    try {
      joined = await this.#subscribe(subscription, wish)
      if (joined.wasRecovering) this.#parts.counts.subscriptions.answered(options.tier, joined)
    } catch (error) {
      if (wish.recover) this.#parts.counts.subscriptions.refused(options.tier)
      throw error
    } finally {
      companion = await accompanied
      subscription.inTier = true
      if (subscription.ended) this.#undo(subscription)
    }
    if (subscription.ended) return undefined
    if (wish.rejectUnrecovered && wish.recover && !joined.recovered) {
      throw new HoldfastError('POSITION_LOST', `the past of ${subscription.channel} since then is lost`)
    }
    subscription.live = true
    joined.join()
    companion?.join()
    return subscription.ended ? undefined : joined
  }

  /** The client knows of it: deliveries flow, and others hear of the join. */
  tell(subscription: SessionSubscription): void {
    const { ended, endedEarly, channel } = subscription
    if (endedEarly) this.#session.mailbox.reply(pushUnsubscribe(channel, endedEarly.code, endedEarly.reason))
    if (ended) return
    subscription.told()
    if (!subscription.options.joinLeave || subscription.grant.unseen) return
    subscription.announced = true
    this.#parts.realtime.announce(subscription.channel, 'join', this.#infoOf(subscription))
  }

  /** Takes a subscription out without a word to the client. Does nothing for one that has ended. */
  close(subscription: SessionSubscription): void {
    if (subscription.ended) return
    subscription.end()
    this.#byChannel.delete(subscription.channel)
    this.#undo(subscription)
  }

  closeAll(): void {
    for (const subscription of [...this.#byChannel.values()]) this.close(subscription)
  }

  /**
   * Ends a subscription from the server's side. A client-side one is told by a push, upon which the SDK decides by
   * the code; for a server-side one, which SDKs can not make again, a code that asks for that ends the connection.
   * A client that still waits for the answer to its subscribe would take no notice of being asked to come back, and
   * then believe the answer for ever: it is asked right behind the answer, or the answer is a temporary error.
   */
  endSubscription(subscription: SessionSubscription, code: number, reason: string): void {
    if (subscription.ended) return
    const { known } = subscription
    if (code === unsubscribes.insufficientState.code)
      this.#parts.counts.subscriptions.resyncs[subscription.options.tier]++
    this.close(subscription)
    if (subscription.serverSide && code >= unsubscribes.insufficientState.code) {
      const { insufficientState, subscriptionExpired } = disconnects
      this.#session.end(code === unsubscribes.expired.code ? subscriptionExpired : insufficientState)
      return
    }
    if (!known && code >= unsubscribes.insufficientState.code) subscription.endedEarly = { code, reason }
    else this.#session.mailbox.reply(pushUnsubscribe(subscription.channel, code, reason))
  }

  /** Ends what has passed its expiry and the grace after it. */
  endExpired(nowMs: number): void {
    const graceMs = this.#parts.config.limits.expiryGraceMs
    const { code, reason } = unsubscribes.expired
    for (const subscription of this.#byChannel.values()) {
      if (subscription.live && subscription.expired(nowMs, graceMs)) {
        this.endSubscription(subscription, code, reason)
      }
    }
  }

  #subscribe(
    subscription: SessionSubscription,
    wish: { recover?: RecoverRequest | undefined; positioned?: boolean; recoverable?: boolean },
  ): Promise<Subscription> {
    const { channel, options } = subscription
    const recover = wish.recover === undefined ? {} : { recover: wish.recover }
    const request = { channel, outlet: subscription, options, ...recover }
    if (options.tier === 'realtime') {
      const { positioned = false, recoverable = false } = wish
      return this.#parts.realtime.subscribe({ ...request, positioned, recoverable })
    }
    if (this.#parts.durable) return this.#parts.durable.subscribe(request)
    return Promise.reject(
      new HoldfastError('NOT_AVAILABLE', 'durable channels need Postgres, and none is configured'),
    )
  }

  /** Joins and leaves of a durable channel go over the realtime tier; losing them must not cost the events. */
  async #accompany(subscription: SessionSubscription): Promise<Subscription | undefined> {
    const { channel, options } = subscription
    try {
      return await this.#parts.realtime.subscribe({ channel, outlet: subscription, options })
    } catch (error) {
      this.#parts.logger.warn({ err: error, channel }, 'joins and leaves of a channel are not delivered')
      return undefined
    }
  }

  /** Gives back what the subscription has got so far; safe to call again. */
  #undo(subscription: SessionSubscription): void {
    const { channel, options } = subscription
    const { realtime, durable, logger } = this.#parts
    if (subscription.inTier) {
      subscription.inTier = false
      if (options.tier === 'durable') durable?.unsubscribe(channel, this.client)
      if (options.tier === 'realtime' || options.joinLeave) realtime.unsubscribe(channel, this.client)
    }
    if (subscription.entered) {
      subscription.entered = false
      realtime.presence.leave(channel, this.#infoOf(subscription)).catch((error: unknown) => {
        logger.debug({ err: error, channel }, 'presence could not be left; it expires')
      })
    }
    if (subscription.announced) {
      subscription.announced = false
      realtime.announce(channel, 'leave', this.#infoOf(subscription))
    }
  }

  #enter(subscription: SessionSubscription): void {
    subscription.entered = true
    const { realtime, logger } = this.#parts
    realtime.presence.enter(subscription.channel, this.#infoOf(subscription)).catch((error: unknown) => {
      logger.debug({ err: error, channel: subscription.channel }, 'presence could not be entered')
    })
  }

  #infoOf(subscription: SessionSubscription): ClientInfo {
    return subscription.infoOf(this.#session.info)
  }
}
