import { HoldfastError, type StoredEvent } from '../domain/index.ts'
import type { LogAccess } from '../durable/index.ts'
import type { DeclaredAggregate } from './aggregates.ts'
import { type Beginning, lastErasure, readBeginning } from './snapshots.ts'
import type { Loaded } from './states.ts'

type Ledger = LogAccess['ledger']

/** Of one read. */
const pageEvents = 500
const pageBytes = 1_048_576
/** What an erased event is left with: nothing that a state could be made of. */
const erasedType = 'holdfast.erased'
/** How often it begins anew where the ledger changes its epoch, or loses events, under its hands. */
const maxBeginnings = 3

/** Makes states of what the ledger has. */
export class Loader {
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** @throws HoldfastError NOT_AVAILABLE (the beginning of the channel is gone), INTERNAL (evolve has thrown), DEPENDENCY_* */
  async load(aggregate: DeclaredAggregate, channel: string): Promise<Loaded> {
    for (let i = 0; i < maxBeginnings; i++) {
      const { epoch } = this.#ledger
      const checkedAt = performance.now()
      // Before the events: an erasure that comes in between makes the state one that no snapshot is made of.
      const beginning = await readBeginning(this.#ledger, aggregate, channel)
      const built = await this.#build(aggregate, channel, { ...beginning, epoch, checkedAt })
      if (built && this.#ledger.epoch === epoch) return built
    }
    throw new HoldfastError('DEPENDENCY_FAILED', `${channel} could not be read: the ledger was changing`)
  }

  /** The state with what has come since; loaded anew where it does not fit what the ledger has now. */
  async renew(aggregate: DeclaredAggregate, channel: string, loaded: Loaded): Promise<Loaded> {
    const renewed =
      loaded.epoch === this.#ledger.epoch ? await this.#readOn(aggregate, channel, loaded) : undefined
    if (!renewed || renewed.epoch !== this.#ledger.epoch) return this.load(aggregate, channel)
    renewed.contended = renewed.offset > loaded.offset
    return renewed
  }

  /** Whether no event of the channel was erased since the state was loaded. */
  async isStillTrue(channel: string, loaded: Loaded): Promise<boolean> {
    const checkedAt = performance.now()
    if ((await lastErasure(this.#ledger, channel)) !== loaded.erasure) return false
    loaded.checkedAt = checkedAt
    return true
  }

  /** Undefined: the snapshot was wrong, and nothing came of it. */
  async #build(
    aggregate: DeclaredAggregate,
    channel: string,
    { snapshot, ...rest }: Beginning & Pick<Loaded, 'epoch' | 'checkedAt'>,
  ): Promise<Loaded | undefined> {
    const initial = () => structuredClone(aggregate.initial)
    const nothing = { ...rest, offset: 0, snapshotAt: 0, contended: false }
    if (snapshot) {
      const { state, offset } = snapshot
      const built = await this.#readOn(aggregate, channel, { ...nothing, state, offset, snapshotAt: offset })
      if (built) return built
    }
    const built = await this.#readOn(aggregate, channel, { ...nothing, state: initial() })
    if (built) return built
    const [head] = (await this.#ledger.channelHeads([channel])).values()
    if (!head || head.floor === 0) return undefined
    const told = `retention has removed the beginning of this channel (up to ${head.floor}), and no snapshot reaches above it`
    throw new HoldfastError('NOT_AVAILABLE', `${channel}: ${told}`, { details: { told } })
  }

  /** Undefined: what follows the state is not there, or the channel ends before it. */
  async #readOn(aggregate: DeclaredAggregate, channel: string, from: Loaded): Promise<Loaded | undefined> {
    let { state, offset } = from
    for (;;) {
      const request = { since: offset, limit: pageEvents, maxBytes: pageBytes }
      const { events, head, floor } = await this.#ledger.readChannel(channel, request)
      if (head < offset || floor > offset) return undefined
      if (events.length === 0) return head === offset ? { ...from, state, offset } : undefined
      if (events[0]?.offset !== offset + 1) return undefined
      state = evolveAll(aggregate, state, events)
      offset = events.at(-1)?.offset ?? offset
      if (offset === head) return { ...from, state, offset }
    }
  }
}

/** @throws HoldfastError INTERNAL where the application's `evolve` has thrown */
export function evolveAll(
  aggregate: DeclaredAggregate,
  before: unknown,
  events: readonly StoredEvent[],
): unknown {
  let state = before
  for (const { channel, id, offset, time, type, data } of events) {
    if (type === erasedType) continue
    try {
      const next = aggregate.evolve(state, { type, data: JSON.parse(data) }, { channel, id, offset, time })
      if (next !== undefined) state = next
    } catch (cause) {
      const message = `evolve of the aggregate ${aggregate.name} has failed at ${channel} ${offset} (${type})`
      throw new HoldfastError('INTERNAL', message, { cause })
    }
  }
  return state
}
