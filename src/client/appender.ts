import type { Clock } from './clock.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { afterFailure, afterSuccess, nextSends, type Phase, sent } from './lane.ts'

/** An append as it goes over the wire; `data` was fixed when the append was issued. */
export interface AppendCommand {
  readonly channel: string
  readonly type: string
  readonly data: unknown
  readonly id: string
  readonly expectedOffset?: number
  readonly traceparent?: string
}

/** A command as it goes over the wire; `input` was fixed when it was issued. */
export interface CommandCall {
  readonly channel: string
  readonly command: string
  readonly input?: unknown
  readonly id: string
  readonly traceparent?: string
}

/** The end of a command: what was decided is recorded. */
export interface Commanded {
  readonly id: string
  /** Of its last event; of the state it was decided in, where it has recorded none. */
  readonly offset: number
  readonly epoch: string
  readonly events: readonly { readonly id: string; readonly type: string; readonly offset: number }[]
  /** It was recorded before: a repeat met its own success. */
  readonly duplicate: boolean
}

/** The end of an append that is recorded. */
export interface Appended {
  readonly offset: number
  readonly epoch: string
  readonly id: string
  /** Milliseconds since 1970, by the server's clock. */
  readonly time: number
  /** It was recorded before: a repeat met its own success. */
  readonly duplicate: boolean
}

export interface AppenderOptions<Command, Done> {
  readonly clock: Clock
  /** One attempt. Rejects with what the SDK rejects with. */
  readonly send: (command: Command) => Promise<Done>
  readonly connected: () => boolean
  /** An attempt had no reply in time although there is a connection. */
  readonly onSilence: () => void
  /** How many appends of one channel may be under way at a time. */
  readonly window: number
  /** How many appends may be under way on the connection. */
  readonly maxInFlight: number
  /** How many appends may wait in all, those under way included. Above it `append` rejects with `overloaded`. */
  readonly maxPending: number
}

interface Entry<Command, Done> {
  readonly command: Command
  phase: Phase
  readonly settle: { resolve(done: Done): void; reject(error: unknown): void }
  /** The caller has given up. It keeps its place until the attempt under way has ended, so order holds. */
  abandoned: boolean
}

interface Lane<Command, Done> {
  readonly entries: Entry<Command, Done>[]
  cancelWake: (() => void) | undefined
}

/**
 * The doing half of appending: keeps each append, or command, and repeats it, with the same id, until the server has
 * acknowledged or refused it. One lane per channel keeps the order in which appends were issued.
 */
export class Appender<Command extends { readonly channel: string } = AppendCommand, Done = Appended> {
  readonly #options: AppenderOptions<Command, Done>
  readonly #lanes = new Map<string, Lane<Command, Done>>()
  /** Lanes that may have something to send, in the order they asked. */
  readonly #ready = new Set<Lane<Command, Done>>()
  #pending = 0
  #inFlight = 0

  constructor(options: AppenderOptions<Command, Done>) {
    this.#options = options
  }

  get pending(): number {
    return this.#pending
  }

  /**
   * Resolves when the event is recorded. Waits as long as it takes; `signal` ends the waiting (then the outcome is
   * unknown if it was sent) and rejects with the signal's reason.
   */
  append(command: Command, signal?: AbortSignal): Promise<Done> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#pending >= this.#options.maxPending) {
      const message = `${this.#pending} appends are waiting already; expected fewer than ${this.#options.maxPending}`
      return Promise.reject(new HoldfastClientError(codes.overloaded, message))
    }
    return new Promise((resolve, reject) => {
      const lane = this.#lane(command.channel)
      const onAbort = () => this.#abandon(lane, entry, signal?.reason)
      const ended =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener('abort', onAbort)
          settle(value)
        }
      const entry: Entry<Command, Done> = {
        command,
        phase: { kind: 'waiting' },
        abandoned: false,
        settle: { resolve: ended(resolve), reject: ended(reject) },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      lane.entries.push(entry)
      this.#pending++
      this.#look(lane)
    })
  }

  /** The connection is there (again): what waited goes out. */
  connected(): void {
    for (const lane of this.#lanes.values()) this.#ready.add(lane)
    this.#pump()
  }

  /** The connection has ended for good: nothing is repeated any more, and the outcome of what was sent is unknown. */
  rejectAll(error: HoldfastClientError): void {
    for (const lane of [...this.#lanes.values()]) {
      for (const entry of [...lane.entries]) {
        if (entry.phase.kind === 'in_flight') this.#inFlight--
        this.#remove(lane, entry)
        entry.settle.reject(error)
      }
    }
  }

  #lane(channel: string): Lane<Command, Done> {
    const found = this.#lanes.get(channel)
    if (found) return found
    const lane: Lane<Command, Done> = { entries: [], cancelWake: undefined }
    this.#lanes.set(channel, lane)
    return lane
  }

  #look(lane: Lane<Command, Done>): void {
    this.#ready.add(lane)
    this.#pump()
  }

  #pump(): void {
    for (const lane of this.#ready) {
      const { clock, window } = this.#options
      const moment = { now: clock.now(), connected: this.#options.connected() }
      const phases = lane.entries.slice(0, window).map(entry => entry.phase)
      const { send, wakeAt } = nextSends(phases, window, moment)
      const due = send.map(index => lane.entries[index])
      for (const entry of due) {
        if (this.#inFlight >= this.#options.maxInFlight) return
        if (entry) this.#attempt(lane, entry)
      }
      this.#ready.delete(lane)
      lane.cancelWake?.()
      lane.cancelWake =
        wakeAt === undefined ? undefined : clock.after(wakeAt - moment.now, () => this.#look(lane))
    }
  }

  #attempt(lane: Lane<Command, Done>, entry: Entry<Command, Done>): void {
    entry.phase = sent(entry.phase)
    this.#inFlight++
    this.#options.send(entry.command).then(
      done => this.#acknowledged(lane, entry, done),
      thrown => this.#failed(lane, entry, clientError(thrown)),
    )
  }

  #acknowledged(lane: Lane<Command, Done>, entry: Entry<Command, Done>, done: Done): void {
    if (!lane.entries.includes(entry)) return
    this.#inFlight--
    this.#remove(lane, entry)
    if (entry.phase.kind === 'in_flight' && entry.phase.attempt > 1) {
      const { clock, window } = this.#options
      for (const each of lane.entries.slice(0, window)) each.phase = afterSuccess(each.phase, clock.now())
    }
    entry.settle.resolve(done)
    this.#look(lane)
  }

  #failed(lane: Lane<Command, Done>, entry: Entry<Command, Done>, error: HoldfastClientError): void {
    if (!lane.entries.includes(entry) || entry.phase.kind !== 'in_flight') return
    this.#inFlight--
    if (error.code === codes.timeout && this.#options.connected()) this.#options.onSilence()
    const { clock } = this.#options
    const verdict = afterFailure(error, entry.phase.attempt, { now: clock.now(), random: clock.random() })
    if (verdict.kind === 'repeat' && !entry.abandoned) {
      entry.phase = verdict.phase
    } else {
      this.#remove(lane, entry)
      entry.settle.reject(error)
    }
    this.#look(lane)
  }

  #abandon(lane: Lane<Command, Done>, entry: Entry<Command, Done>, reason: unknown): void {
    if (!lane.entries.includes(entry)) return
    entry.abandoned = true
    entry.settle.reject(reason)
    if (entry.phase.kind === 'in_flight') return
    this.#remove(lane, entry)
    this.#look(lane)
  }

  #remove(lane: Lane<Command, Done>, entry: Entry<Command, Done>): void {
    const index = lane.entries.indexOf(entry)
    if (index >= 0) {
      lane.entries.splice(index, 1)
      this.#pending--
    }
    if (lane.entries.length > 0) return
    lane.cancelWake?.()
    this.#ready.delete(lane)
    this.#lanes.delete(entry.command.channel)
  }
}
