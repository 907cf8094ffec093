import { setTimeout as delay } from 'node:timers/promises'
import type { Centrifuge } from 'centrifuge'
import { v7 } from 'uuid'
import { createClient, HoldfastClientError, type Client as OurClient } from '../../../src/client/index.ts'
import type { Channel, Client, Listener, Outcome } from '../types.ts'
import { nodeConfig, token } from './config.ts'

interface End {
  readonly outcome: Outcome
  readonly offset?: number
}

interface Decided {
  readonly outcome: Outcome
  readonly offsets?: readonly number[]
}

interface Answer {
  readonly result?: { readonly events: readonly { readonly offset: number }[] }
  readonly error?: { readonly code: number }
}

/** So long an append or a command is repeated; after that its outcome is unknown. */
const patienceMs = 20_000

/** Errors that say for certain that nothing was recorded. */
const final: ReadonlySet<number> = new Set([101, 102, 103, 107, 108, 111, 409, 422])
/** Of a command that was sent before: an earlier attempt may be on its way still when others are faster than this one. */
const finalOfRepeated: ReadonlySet<number> = new Set([101, 102, 103, 107, 108, 422])
/** Between two attempts over HTTP. */
const pauseMs = 300

/**
 * Subscribes with the official SDK. Signals are published once and not while there is no connection: the SDK would
 * keep them. Events are appended in turn by our client, which repeats, and published by the SDK, which does not. Commands
 * go in turn over our client's socket and over HTTP, each with an id of its own, and are repeated.
 */
export class HoldfastClient implements Client {
  readonly #ours: OurClient
  readonly #sdk: Centrifuge
  readonly #http: string
  #turn = 0
  #commands = 0

  private constructor(ours: OurClient, http: string) {
    this.#ours = ours
    this.#http = http
    this.#sdk = ours.sdk
  }

  /** @param address host and port of a node */
  static async open(address: string, name: string): Promise<HoldfastClient> {
    const ours = createClient(`ws://${address}/connection/websocket`, {
      token: await token(name),
      reconnectDelayMs: { min: 50, max: 500 },
      onError: () => undefined,
      // Several at a time, as a user who does not wait does it.
      appendWindow: 8,
    })
    await ours.connect()
    return new HoldfastClient(ours, `http://${address}/api/command`)
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

  async command({ name }: Channel, values: readonly string[]): Promise<Decided> {
    const signal = AbortSignal.timeout(patienceMs)
    if (this.#commands++ % 2 === 1) return this.#commandOverHttp(name, values, signal)
    try {
      const { events } = await this.#ours.channel(name).command('say', { values }, { signal })
      return { outcome: 'ok', offsets: events.map(({ offset }) => offset) }
    } catch (error) {
      const certain = error instanceof HoldfastClientError && finalOfRepeated.has(error.code)
      return { outcome: certain ? 'failed' : 'unknown' }
    }
  }

  async close(): Promise<void> {
    this.#ours.disconnect()
  }

  /** As an application's server does it: with one id until there is an answer. */
  async #commandOverHttp(channel: string, values: readonly string[], signal: AbortSignal): Promise<Decided> {
    const body = JSON.stringify({ channel, command: 'say', input: { values }, id: v7() })
    const headers = { 'x-api-key': nodeConfig.api.key, 'content-type': 'application/json' }
    while (!signal.aborted) {
      try {
        const response = await fetch(this.#http, { method: 'POST', headers, body, signal })
        const { result, error } = (await response.json()) as Answer
        if (result) return { outcome: 'ok', offsets: result.events.map(({ offset }) => offset) }
        if (error && finalOfRepeated.has(error.code)) return { outcome: 'failed' }
      } catch {
        // Nobody there, or a line that was cut.
      }
      await delay(pauseMs)
    }
    return { outcome: 'unknown' }
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
