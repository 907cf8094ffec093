import type { LimitName } from '../limit-counts.ts'
import type { Performable } from '../session-state.ts'
import type { RateLimits } from './rate-limits.ts'
import { type Pace, TokenBucket } from './token-bucket.ts'

/** What becomes of a command that is too much: an answer that says so, or the end of its connection. */
export interface Excess {
  readonly limit: LimitName
  readonly final: boolean
}

/** What one connection may do how often, and with it its user. */
export class SessionLimits {
  readonly #rates: RateLimits
  // Made with their first use: most connections only listen.
  #frames: TokenBucket | undefined
  #commands: TokenBucket | undefined
  #subscriptions: TokenBucket | undefined
  #publications: TokenBucket | undefined
  #refusals: TokenBucket | undefined

  constructor(rates: RateLimits) {
    this.#rates = rates
  }

  /** Takes a frame, be it of data or of control; false where there have been too many. */
  frame(now: number): boolean {
    const { frames: pace } = this.#rates
    if (!pace) return true
    this.#frames ??= new TokenBucket(pace, now)
    if (this.#frames.tryTake(now)) return true
    this.#rates.counts.add('connection_frames')
    return false
  }

  /** Takes a command; undefined where it may be done. */
  command(command: Performable, user: string, now: number): Excess | undefined {
    const limit = this.#limitMet(command, user, now)
    if (limit === undefined) return undefined
    this.#rates.counts.add(limit)
    return { limit, final: limit.startsWith('connection') && !this.#mayRefuse(now) }
  }

  #limitMet(command: Performable, user: string, now: number): LimitName | undefined {
    const rates = this.#rates
    if (isSubscription(command)) {
      this.#subscriptions ??= bucket(rates.subscriptions, now)
      return this.#subscriptions?.tryTake(now) === false ? 'connection_subscriptions' : undefined
    }
    const publication = isPublication(command)
    this.#commands ??= bucket(rates.commands, now)
    if (this.#commands?.has(now) === false) return 'connection_commands'
    if (publication) {
      this.#publications ??= bucket(rates.publications, now)
      if (this.#publications?.has(now) === false) return 'connection_publications'
    }
    const limit = rates.user(user, publication, now)
    if (limit !== undefined) return limit
    this.#commands?.take()
    if (publication) this.#publications?.take()
    return undefined
  }

  /** A refusal costs little, and yet no connection gets them without end. */
  #mayRefuse(now: number): boolean {
    this.#refusals ??= bucket(this.#rates.refusals, now)
    return this.#refusals?.tryTake(now) ?? true
  }
}

function bucket(pace: Pace | undefined, now: number): TokenBucket | undefined {
  return pace && new TokenBucket(pace, now)
}

function isSubscription({ kind }: Performable): boolean {
  return kind === 'subscribe' || kind === 'unsubscribe' || kind === 'refresh' || kind === 'sub_refresh'
}

function isPublication(command: Performable): boolean {
  if (command.kind !== 'rpc') return command.kind === 'publish'
  const { method } = command
  return method === 'holdfast.append' || method === 'holdfast.signal' || method === 'holdfast.command'
}
