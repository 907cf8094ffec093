import type { Centrifuge } from 'centrifuge'
import { createClient, HoldfastClientError, type Client as OurClient } from '../../../src/client/index.ts'
import type { Channel, Client, Listener, Outcome } from '../types.ts'
import { token } from './config.ts'

interface End {
  readonly outcome: Outcome
  readonly offset?: number
}

/** So long our client repeats an append; after that its outcome is unknown. */
const patienceMs = 20_000

/** Errors that say for certain that nothing was recorded. */
const final: ReadonlySet<number> = new Set([101, 102, 103, 107, 108, 111, 409, 422])

/**
 * Subscribes with the official SDK. Signals are published once and not while there is no connection: the SDK would
 * keep them. Events are appended in turn by our client, which repeats, and published by the SDK, which does not.
 */
export class HoldfastClient implements Client {
  readonly #ours: OurClient
  readonly #sdk: Centrifuge
  #turn = 0

  private constructor(ours: OurClient) {
    this.#ours = ours
    this.#sdk = ours.sdk
  }

  static async open(url: string, name: string): Promise<HoldfastClient> {
    const ours = createClient(url, {
      token: await token(name),
      reconnectDelayMs: { min: 50, max: 500 },
      onError: () => undefined,
      // Several at a time, as a user who does not wait does it.
      appendWindow: 8,
    })
    await ours.connect()
    return new HoldfastClient(ours)
  }

  async subscribe({ name, tier }: Channel, listener: Listener): Promise<void> {
    const subscription = this.#sdk.newSubscription(
      name,
      tier === 'durable' ? { since: { offset: 0, epoch: '' } } : {},
    )
    let before = false
    subscription.on('publication', ({ data, offset }) => {
      listener.heard((data as { value: string }).value, offset)
    })
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      if (wasRecovering ? !recovered : before) listener.told()
      before = true
    })
    subscription.on('error', () => undefined)
    subscription.subscribe()
    await subscription.ready(30_000)
  }

  async send({ name, tier }: Channel, value: string): Promise<End> {
    if (tier === 'durable' && this.#turn++ % 2 === 0) return this.#append(name, value)
    // The SDK would keep it and send it late; that is not the server's doing.
    if (this.#sdk.state !== 'connected') return { outcome: 'failed' }
    return this.#sdk.publish(name, { value }).then(
      () => ({ outcome: 'ok' as const }),
      (error: { code: number }) => ({ outcome: final.has(error.code) ? 'failed' : 'unknown' }),
    )
  }

  async close(): Promise<void> {
    this.#ours.disconnect()
  }

  async #append(channel: string, value: string): Promise<End> {
    const signal = AbortSignal.timeout(patienceMs)
    try {
      const { offset } = await this.#ours.channel(channel).append('Counted', { value }, { signal })
      return { outcome: 'ok', offset }
    } catch (error) {
      const certain = error instanceof HoldfastClientError && final.has(error.code)
      return { outcome: certain ? 'failed' : 'unknown' }
    }
  }
}
