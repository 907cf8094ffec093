import type { Centrifuge } from 'centrifuge'
import { abortable } from './abortable.ts'
import type { Clock } from './clock.ts'
import { clientError, type HoldfastClientError } from './errors.ts'
import type { Feeds, Reader } from './feed.ts'
import { pause } from './persistent-read.ts'
import type { Presence, PresenceChange, PresenceOptions, PresenceWatch, PresentUser } from './presence.ts'
import { PresentUsers, type UserChange } from './present-users.ts'
import { guard, type Report, reporter } from './report.ts'
import { settledLater } from './settled-later.ts'
import type { ClientInfo } from './types.ts'

export interface PresenceParts {
  readonly sdk: Centrifuge
  readonly feeds: Feeds
  readonly clock: Clock
  readonly report: Report
  /** Calls back when the node reaches the others again. */
  readonly onReachable: (listener: () => void) => () => void
  /** Whether it knows of its own clients only, at this moment. */
  readonly local: () => boolean
}

const defaultGraceMs = 1_000
const defaultCompareMs = 60_000

export function presenceOf(channel: string, parts: PresenceParts): Presence {
  const ask = (): Promise<Readonly<Record<string, ClientInfo>>> =>
    parts.sdk.presence(channel).then(
      ({ clients }) => clients,
      thrown => {
        throw clientError(thrown)
      },
    )
  const presence = ({ signal }: { signal?: AbortSignal } = {}) => abortable(ask(), signal)
  return Object.assign(presence, {
    watch: (onChange: (change: PresenceChange) => unknown, options: PresenceOptions = {}) =>
      new Watch(channel, ask, onChange, options, parts),
  })
}

class Watch implements PresenceWatch {
  readonly #channel: string
  readonly #ask: () => Promise<Readonly<Record<string, ClientInfo>>>
  readonly #onChange: (change: PresenceChange) => unknown
  readonly #options: PresenceOptions
  readonly #clock: Clock
  readonly #report: Report
  readonly #present = new PresentUsers()
  readonly #first = settledLater()
  readonly #undo: (() => void)[] = []
  readonly #local: () => boolean
  /** By user who is away, how to call the end of the grace off. */
  readonly #leaving = new Map<string, () => void>()
  #asking = false
  #again = false
  #subscribed = false
  #told = false
  #cancelCompare: (() => void) | undefined
  #stopped = false

  readonly #reader: Reader = {
    subscribed: () => {
      this.#subscribed = true
      this.#compare()
    },
    publication: () => undefined,
    joined: info => this.#step('join', info),
    left: info => this.#step('leave', info),
    failed: error => this.#report(error, { kind: 'retrying', channel: this.#channel }),
    waiting: () => {
      this.#subscribed = false
    },
    ended: why => this.#end(why),
  }

  constructor(
    channel: string,
    ask: () => Promise<Readonly<Record<string, ClientInfo>>>,
    onChange: (change: PresenceChange) => unknown,
    options: PresenceOptions,
    parts: PresenceParts,
  ) {
    this.#channel = channel
    this.#ask = ask
    this.#onChange = onChange
    this.#options = options
    this.#clock = parts.clock
    this.#local = parts.local
    this.#report = reporter(options.onError, parts.report)
    const { token, getToken, signal } = options
    const seat = parts.feeds.join(
      channel,
      { since: undefined, token, getToken, data: undefined },
      this.#reader,
    )
    this.#undo.push(
      () => seat.leave(),
      parts.onReachable(() => this.#compare()),
    )
    const abort = () => this.stop()
    signal?.addEventListener('abort', abort, { once: true })
    this.#undo.push(() => signal?.removeEventListener('abort', abort))
    if (signal?.aborted) this.stop()
  }

  get users() {
    return this.#present.list
  }

  ready(): Promise<void> {
    return this.#first.promise
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelCompare?.()
    for (const cancel of this.#leaving.values()) cancel()
    for (const undo of this.#undo) undo()
    this.#first.reject(
      this.#options.signal?.reason ?? clientError({ code: 3, message: 'the watch was stopped' }),
    )
  }

  #step(kind: 'join' | 'leave', info: ClientInfo): void {
    // Before the first answer everybody would seem to have come just now.
    this.#tell(this.#present.list, this.#present.step(kind, info), false)
  }

  #compare(): void {
    if (this.#stopped || !this.#subscribed) return
    this.#again = this.#asking
    if (this.#asking) return
    this.#asking = true
    void this.#comparing().finally(() => {
      this.#asking = false
      if (this.#again) this.#compare()
      else this.#compareLater()
    })
  }

  async #comparing(): Promise<void> {
    for (let failures = 0; this.#subscribed && !this.#stopped; failures++) {
      this.#present.asking()
      try {
        const clients = await this.#ask()
        if (this.#stopped) return
        const before = this.#present.list
        const change = this.#present.answer(clients, this.#local())
        if (change) {
          this.#tell(before, change, true)
          return
        }
      } catch (thrown) {
        const error = clientError(thrown)
        if (this.#stopped || !this.#subscribed) return
        if (!error.temporary) {
          this.#end(error)
          return
        }
        this.#report(error, { kind: 'retrying', channel: this.#channel })
      }
      await pause(this.#clock, failures)
    }
  }

  #compareLater(): void {
    this.#cancelCompare?.()
    const every = this.#options.compareMs ?? defaultCompareMs
    if (this.#stopped || every === 0) return
    this.#cancelCompare = this.#clock.after(every * (0.5 + this.#clock.random() / 2), () => {
      // What a node without the others knows is no news.
      if (this.#local()) this.#compareLater()
      else this.#compare()
    })
  }

  #tell(before: readonly unknown[], change: UserChange, compared: boolean): void {
    const gone = this.#awaitReturn()
    const left = gone.length > 0 ? [...change.left, ...gone] : change.left
    if (!this.#told && !compared) return
    const users = this.#present.list
    const first = compared && !this.#told
    if (users === before && !first) return
    this.#told = true
    if (first) this.#first.resolve()
    const joined = first ? users : change.joined
    guard(this.#report)(() => this.#onChange({ users, joined, left, compared }))
  }

  /** Gives those who are away the time to come back. Returns those who have none. */
  #awaitReturn(): readonly PresentUser[] {
    const { graceMs = defaultGraceMs } = this.#options
    for (const [key, cancel] of this.#leaving) {
      if (this.#present.isAway(key)) continue
      cancel()
      this.#leaving.delete(key)
    }
    const away = this.#present.away.filter(key => !this.#leaving.has(key))
    if (graceMs === 0) return this.#present.forget(away).left
    for (const key of away) {
      const forget = () => {
        this.#leaving.delete(key)
        const before = this.#present.list
        this.#tell(before, this.#present.forget([key]), false)
      }
      this.#leaving.set(key, this.#clock.after(graceMs, forget))
    }
    return []
  }

  #end(why: HoldfastClientError): void {
    if (this.#stopped) return
    this.#first.reject(why)
    this.stop()
    if (this.#options.onUnsubscribed) guard(this.#report)(() => this.#options.onUnsubscribed?.(why))
    else this.#report(why, { kind: 'ended', channel: this.#channel })
  }
}
