import { type Client, createClient, type Received, type Subscription } from '@holdfast/client'

export type TailFrom = 'live' | 'latest' | 'start' | number

export interface TailView {
  readonly state: 'connecting' | 'live' | 'ended'
  /** The newest first. */
  readonly rows: readonly TailRow[]
  /** How many have come in all. */
  readonly seen: number
  /** What went wrong, or what is not as somebody might think. */
  readonly notes: readonly string[]
}

export interface TailRow extends Received {
  /** Of this tail: 1, 2, 3 … */
  readonly nth: number
  /** The data as JSON text. */
  readonly text: string
}

/** Rows that are kept; older ones are gone from the page and nowhere else. */
export const mostRows = 500
const mostNotes = 5
/** Of a `latest`. */
const latestRows = 50
/** As often as eyes can follow; a flood does not redraw more often. */
const tellEveryMs = 120

/** One channel over the ordinary socket, as any client has it, from any offset on. */
export class Tail {
  readonly #client: Client
  readonly #channel: string
  readonly #changed = new Set<() => void>()
  #subscription: Subscription | undefined
  /** Notes about what is in the way, until it is not any more. */
  #troubles = new Set<string>()
  #view: TailView = { state: 'connecting', rows: [], seen: 0, notes: [] }
  #fresh: TailRow[] = []
  #seen = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed = false

  constructor(options: { origin: string; token: string; channel: string; from: TailFrom }) {
    const { origin, token, channel, from } = options
    this.#channel = channel
    this.#client = createClient(origin.replace(/^http/, 'ws'), {
      ...(token === '' ? {} : { token }),
      onState: state => {
        if (state === 'connecting') this.#set('connecting')
      },
      onError: error => this.#note(String(error instanceof Error ? error.message : error)),
    })
    void this.#run(from)
  }

  readonly watch = (changed: () => void): (() => void) => {
    this.#changed.add(changed)
    return () => this.#changed.delete(changed)
  }

  readonly view = (): TailView => this.#view

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#subscription?.unsubscribe()
    this.#client.disconnect()
  }

  async #run(from: TailFrom): Promise<void> {
    try {
      await this.#client.connect()
      const since = from === 'latest' ? await this.#latest() : from
      if (!this.#closed) this.#subscribe(since)
    } catch (error) {
      this.#end(error)
    }
  }

  /** What was recorded last, and then what comes after it. A channel without a past has none to show. */
  async #latest(): Promise<TailFrom> {
    try {
      const page = await this.#client.channel(this.#channel).history({ reverse: true, limit: latestRows })
      for (const event of [...page.events].reverse()) this.#take(event)
      return page.head
    } catch (error) {
      this.#note(`Its past cannot be shown, so this begins now: ${wordsOf(error)}`)
      return 'live'
    }
  }

  #subscribe(since: TailFrom): void {
    this.#subscription = this.#client.channel(this.#channel).subscribe({
      ...(since === 'live' || since === 'latest' ? {} : { since }),
      onEvent: event => this.#take(event),
      onSubscribed: () => {
        this.#goesOn()
        this.#set('live')
      },
      onReset: reset => this.#note(`Events are missing here for good (${reset.reason}).`),
      onUnsubscribed: error => this.#end(error),
      onError: error => {
        const trouble = `${wordsOf(error)}; it is tried again by itself`
        this.#note(trouble)
        this.#troubles = new Set(
          this.#view.notes.filter(each => each === trouble || this.#troubles.has(each)),
        )
      },
    })
  }

  /** What was in the way is not any more. */
  #goesOn(): void {
    if (this.#troubles.size === 0) return
    const notes = this.#view.notes.filter(each => !this.#troubles.has(each))
    this.#view = { ...this.#view, notes }
    this.#troubles.clear()
  }

  #take(event: Received): void {
    // Its past is read after it has subscribed: that it goes on, only what comes tells.
    this.#goesOn()
    this.#seen++
    this.#fresh.unshift({ ...event, nth: this.#seen, text: JSON.stringify(event.data) ?? 'null' })
    if (this.#fresh.length > mostRows) this.#fresh.length = mostRows
    this.#tellSoon()
  }

  #end(error: unknown): void {
    this.#note(wordsOf(error))
    this.#set('ended')
  }

  #note(text: string): void {
    const others = this.#view.notes.filter(each => each !== text)
    this.#view = { ...this.#view, notes: [text, ...others].slice(0, mostNotes) }
    this.#tellSoon()
  }

  #set(state: TailView['state']): void {
    if (this.#closed || this.#view.state === 'ended') return
    this.#view = { ...this.#view, state }
    this.#tellSoon()
  }

  #tellSoon(): void {
    if (this.#closed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const rows = this.#fresh.length === 0 ? this.#view.rows : [...this.#fresh, ...this.#view.rows]
      this.#fresh = []
      this.#view = { ...this.#view, rows: rows.slice(0, mostRows), seen: this.#seen }
      for (const changed of this.#changed) changed()
    }, tellEveryMs)
  }
}

/** The protocol's word for all that may pass, such as a ledger that does not answer. */
const passing = 100

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === passing)
    return 'the node cannot read this channel at the moment (is Redis or Postgres silent? see the top of the page)'
  const code = 'code' in error ? ` (${error.code})` : ''
  return `${error.message}${code}`
}
