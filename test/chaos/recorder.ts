import type {
  Attempt,
  Channel,
  Delivery,
  Effects,
  Listener,
  MemorySample,
  Model,
  Outcome,
  Participant,
  Phases,
  Recorded,
  Stored,
  Told,
} from './types.ts'

type Open = { -readonly [Key in keyof Attempt]: Attempt[Key] } & { ended: boolean }

/** How often the runner looks whether it was away, in milliseconds. */
const lookMs = 20

/** Takes down everything that happens in a run, in the order in which the runner sees it. */
export class Recorder {
  readonly channels: readonly Channel[]
  readonly writers: Participant[] = []
  readonly subscribers: Participant[] = []
  readonly #attempts: Open[] = []
  readonly #deliveries: Delivery[] = []
  readonly #told: Told[] = []
  readonly #memory: MemorySample[] = []
  readonly #sequences = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  #lastLook = performance.now()
  #stallMs = 0

  constructor(channels: readonly Channel[]) {
    this.channels = channels
    this.#timer = setInterval(() => {
      const now = performance.now()
      this.#stallMs = Math.max(this.#stallMs, now - this.#lastLook - lookMs)
      this.#lastLook = now
    }, lookMs)
  }

  /** What was measured while everything was started does not count. */
  beginSteady(): void {
    this.#stallMs = 0
    this.#lastLook = performance.now()
  }

  /** Until its end is known, an attempt's outcome is unknown. */
  attempt(
    run: string,
    writer: string,
    channel: Channel,
    /** The first value of the command that this one follows from, where it is not the first itself. */
    command?: string,
  ): { value: string; end(outcome: Outcome, offset?: number): void } {
    const place = `${writer} ${channel.name}`
    const sequence = (this.#sequences.get(place) ?? 0) + 1
    this.#sequences.set(place, sequence)
    const value = `${run}/${writer}/${channel.name}/${sequence}`
    const sentAt = performance.now()
    const open: Open = {
      channel: channel.name,
      writer,
      sequence,
      value,
      sentAt,
      endedAt: sentAt,
      outcome: 'unknown',
      ended: false,
      ...(channel.commands && { command: command ?? value }),
    }
    this.#attempts.push(open)
    return {
      value,
      end(outcome, offset) {
        open.ended = true
        open.endedAt = performance.now()
        open.outcome = outcome
        if (offset !== undefined) open.offset = offset
      },
    }
  }

  /** How many attempts have no end yet. */
  get underWay(): number {
    return this.#attempts.reduce((count, { ended }) => (ended ? count : count + 1), 0)
  }

  listener(subscriber: string, { name: channel }: Channel): Listener {
    return {
      heard: (value, offset) => {
        const at = performance.now()
        this.#deliveries.push({ channel, subscriber, value, at, ...(offset !== undefined && { offset }) })
      },
      told: () => this.#told.push({ channel, subscriber, at: performance.now() }),
    }
  }

  memory(process: string, bytes: number): void {
    this.#memory.push({ process, at: performance.now(), bytes })
  }

  record(rest: {
    phases: Phases
    stored?: readonly Stored[]
    effects?: readonly Effects[]
    models?: readonly Model[]
    deaths?: readonly string[]
    auditLost?: number
  }): Recorded {
    const now = performance.now()
    return {
      channels: this.channels,
      writers: this.writers,
      subscribers: this.subscribers,
      attempts: this.#attempts.map(({ ended, ...attempt }) =>
        ended ? attempt : { ...attempt, endedAt: now },
      ),
      deliveries: [...this.#deliveries],
      told: [...this.#told],
      stored: rest.stored ?? [],
      effects: rest.effects ?? [],
      models: rest.models ?? [],
      memory: [...this.#memory],
      deaths: rest.deaths ?? [],
      ...(rest.auditLost !== undefined && { auditLost: rest.auditLost }),
      stallMs: this.#stallMs,
      phases: rest.phases,
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
