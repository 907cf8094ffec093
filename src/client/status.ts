import type { Centrifuge } from 'centrifuge'
import type { Clock } from './clock.ts'
import { clientError } from './errors.ts'
import { pause } from './persistent-read.ts'

/**
 * How the client is, in one word. `closed`: not connected, and not trying. `connecting`: on the way to a node.
 * `degraded`: connected to a node that cannot do everything, see `server`. `replaying`: a subscription has not caught up
 * yet, see `replaying`. `live`: everything is as it should be, as far as this client knows.
 */
export type ClientState = 'closed' | 'connecting' | 'replaying' | 'degraded' | 'live'

/** What the node that the client is connected to says about itself. */
export interface ServerState {
  /** `local`: publications, signals and presence reach those on the same node only. */
  readonly realtime: 'ready' | 'local'
  /**
   * `slow`: events are recorded and delivered, and come from the ledger instead of its hot copy. `unavailable`: appends wait
   * until it is back. `none`: the node has no ledger.
   */
  readonly durable: 'ready' | 'slow' | 'unavailable' | 'none'
}

export interface ClientStatus {
  readonly state: ClientState
  /** Channels with a subscription that waits for its answer, or still reads what it has missed. */
  readonly replaying: readonly string[]
  /** Undefined while there is no connection, or the node has not said. */
  readonly server: ServerState | undefined
  /** Why there is no connection. */
  readonly why: { readonly code: number; readonly reason: string } | undefined
}

export interface StatusParts {
  readonly sdk: Centrifuge
  readonly clock: Clock
  readonly behind: () => readonly string[]
  /** Asks the node how it is, and to be told of changes. */
  readonly ask: () => Promise<unknown>
  /** Whether anybody wants to know. */
  readonly watched: () => boolean
  readonly onChange: (status: ClientStatus) => void
}

/** Puts together what the connection, the subscriptions and the node say. */
export class Status {
  readonly #parts: StatusParts
  #server: ServerState | undefined
  #why: ClientStatus['why']
  #asked = false
  /** How many connections were lost. */
  #lost = 0
  #now: ClientStatus
  #due = false

  constructor(parts: StatusParts) {
    this.#parts = parts
    this.#now = this.#look()
    const { sdk } = parts
    sdk.on('connecting', why => this.#disconnected(why))
    sdk.on('disconnected', why => this.#disconnected(why))
    sdk.on('connected', () => {
      this.#why = undefined
      this.watch()
      this.changed()
    })
    sdk.on('message', ({ data }) => this.#heard(toldIn(data)))
  }

  /** The same object until something changes. */
  get now(): ClientStatus {
    return this.#now
  }

  /** Somebody wants to know, from now on. */
  watch(): void {
    const { sdk, watched } = this.#parts
    if (this.#asked || sdk.state !== 'connected' || !watched()) return
    this.#asked = true
    void this.#ask()
  }

  /** Until there is an answer. A node of an earlier release does not know the question; the next connection asks anew. */
  async #ask(): Promise<void> {
    const { sdk, clock, ask } = this.#parts
    const connection = this.#lost
    for (let failures = 0; sdk.state === 'connected' && connection === this.#lost; failures++) {
      try {
        this.#heard(stateIn(await ask()))
        return
      } catch (thrown) {
        if (!clientError(thrown).temporary) return
      }
      await pause(clock, failures)
    }
  }

  /** Tells of a change at the end of the task, so that several of them are one. */
  changed(): void {
    if (this.#due) return
    this.#due = true
    queueMicrotask(() => {
      this.#due = false
      const next = this.#look()
      if (same(next, this.#now)) return
      this.#now = next
      this.#parts.onChange(next)
    })
  }

  #heard(state: ServerState | undefined): void {
    if (!state) return
    this.#server = state
    this.changed()
  }

  #disconnected(why: { code: number; reason: string }): void {
    this.#asked = false
    this.#lost++
    this.#server = undefined
    this.#why = { code: why.code, reason: why.reason }
    this.changed()
  }

  #look(): ClientStatus {
    const { sdk, behind } = this.#parts
    const connected = sdk.state === 'connected'
    const replaying = connected ? behind() : []
    const server = this.#server
    const why = connected ? undefined : this.#why
    const of = (state: ClientState) => ({ state, replaying, server, why })
    if (!connected) return of(sdk.state === 'connecting' ? 'connecting' : 'closed')
    if (server && (server.realtime === 'local' || lacking.has(server.durable))) return of('degraded')
    return of(replaying.length > 0 ? 'replaying' : 'live')
  }
}

const lacking: ReadonlySet<ServerState['durable']> = new Set(['slow', 'unavailable'])
const realtimeStates: ReadonlySet<unknown> = new Set(['ready', 'local'])
const durableStates: ReadonlySet<unknown> = new Set(['ready', 'slow', 'unavailable', 'none'])

/** A message of the server's own; others are the application's. */
function toldIn(data: unknown): ServerState | undefined {
  const own = (data as { holdfast?: { state?: unknown } } | null)?.holdfast
  return stateIn(own?.state)
}

function stateIn(value: unknown): ServerState | undefined {
  const { realtime, durable } = (value ?? {}) as Partial<ServerState>
  return realtimeStates.has(realtime) && durableStates.has(durable)
    ? ({ realtime, durable } as ServerState)
    : undefined
}

function same(a: ClientStatus, b: ClientStatus): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
