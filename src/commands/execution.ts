import { setTimeout as delay } from 'node:timers/promises'
import type { ContractCheck } from '../contract/index.ts'
import { type ClientInfo, eventIdFrom, HoldfastError, type StoredEvent } from '../domain/index.ts'
import type { OpenTier } from '../durable/index.ts'
import type { Logger } from '../platform/index.ts'
import type { AnyCommand, DeclaredAggregate } from './aggregates.ts'
import type { CommandCounts } from './counts.ts'
import { type Decided, type Decision, decide } from './decide.ts'
import { inTime } from './foreign.ts'
import { evolveAll, type Loader } from './loader.ts'
import { findRecorded } from './recorded.ts'
import type { SnapshotWriter } from './snapshots.ts'
import type { Loaded, States } from './states.ts'
import type { Commanded } from './types.ts'

/** A command that may be carried out. */
export interface Call {
  readonly aggregate: DeclaredAggregate
  readonly params: Readonly<Record<string, string>>
  readonly command: readonly [name: string, definition: AnyCommand]
  readonly channel: string
  readonly input: unknown
  readonly id: string
  /** Whether the caller has given the id, and so may have given it before. */
  readonly isNamed: boolean
  /** When it came, in milliseconds since 1970. */
  readonly time: number
  readonly info: ClientInfo | undefined
  readonly trace: string | undefined
  /** By `performance.now()`: nothing is recorded later. */
  readonly deadline: number
  /** Throws where nobody waits for it any more. */
  readonly wanted: () => void
}

export interface ExecutionParts {
  readonly tier: Pick<OpenTier, 'appendTogether' | 'log'>
  readonly loader: Loader
  readonly states: States
  readonly snapshots: SnapshotWriter
  readonly check: ContractCheck | undefined
  readonly checkTimeoutMs: number
  readonly recheckMs: number
  readonly counts: CommandCounts
  readonly logger: Logger
}

/** How often a decision is made again because others were faster. */
const maxConflicts = 10
/** The pause before that: doubled from the first to the longest, and spread by chance. */
const pauseMs = { first: 2, longest: 100 }

/**
 * Carries commands out: a state, a decision in it, and the events recorded where that state ends. Somebody may have been
 * faster; then the same again in the state that follows.
 *
 * A state that is kept from the last command is decided in at once: whether it is the newest shows in the append. What
 * is refused in it, or changes nothing, shows nothing, so that is decided again in a state that was read since.
 */
export class Execution {
  readonly #parts: ExecutionParts

  constructor(parts: ExecutionParts) {
    this.#parts = parts
  }

  /** One at a time for each channel. @throws HoldfastError */
  async run(call: Call): Promise<Commanded> {
    const { states, counts } = this.#parts
    const key = keyOf(call.aggregate, call.channel)
    // Many may have come too late behind others; a read for each would keep those waiting that are in time.
    this.#checkTime(call)
    call.wanted()
    let loaded = await this.#kept(key, call.channel)
    let isNew = false
    for (let conflicts = 0; conflicts < maxConflicts; ) {
      if (!loaded || (!isNew && loaded.contended)) {
        loaded = await this.#read(key, call, loaded)
        isNew = true
      }
      this.#checkTime(call)
      const decision = await this.#decide(call, loaded)
      if (decision.kind === 'refused' || decision.events.length === 0) {
        if (isNew) return this.#withoutEvents(call, loaded, decision)
        loaded.contended = true
        continue
      }
      call.wanted()
      const outcome = await this.#append(call, loaded, decision.events)
      switch (outcome.kind) {
        case 'stored':
          return this.#stored(key, call, loaded, outcome.events)
        case 'conflict':
          conflicts++
          counts.conflicts++
          await pause(conflicts)
          loaded.contended = true
          break
        case 'epoch':
          conflicts++
          loaded = undefined
          break
        default: {
          states.delete(key)
          const recorded = await findRecorded(this.#parts.tier.log.ledger, call)
          if (recorded) return recorded
          if (outcome.kind === 'duplicate') {
            const gone = `${call.command[0]} on ${call.channel} is recorded, and was gone when it was read; repeat it`
            throw new HoldfastError('DEPENDENCY_FAILED', gone)
          }
          throw new HoldfastError(outcome.code ?? 'DUPLICATE_CONFLICT', outcome.reason)
        }
      }
      isNew = false
    }
    const head = loaded?.offset ?? 0
    const message = `${call.command[0]} on ${call.channel} met ${maxConflicts} others that were faster; repeat it`
    throw new HoldfastError('OFFSET_CONFLICT', message, { details: { head } })
  }

  /** The state as the ledger has it now. */
  async load(aggregate: DeclaredAggregate, channel: string): Promise<Loaded> {
    const key = keyOf(aggregate, channel)
    const kept = await this.#kept(key, channel)
    return this.#read(key, { aggregate, channel }, kept)
  }

  async #kept(key: string, channel: string): Promise<Loaded | undefined> {
    const { states, loader, recheckMs } = this.#parts
    const kept = states.get(key)
    if (!kept || performance.now() - kept.checkedAt < recheckMs) return kept
    if (await loader.isStillTrue(channel, kept)) return kept
    states.delete(key)
    return undefined
  }

  async #read(
    key: string,
    { aggregate, channel }: Pick<Call, 'aggregate' | 'channel'>,
    before: Loaded | undefined,
  ): Promise<Loaded> {
    const { loader, states, snapshots } = this.#parts
    try {
      const loaded = before
        ? await loader.renew(aggregate, channel, before)
        : await loader.load(aggregate, channel)
      const kept = snapshots.offer(key, aggregate, channel, loaded)
      states.set(key, kept)
      return kept
    } catch (error) {
      // An evolve that has thrown may have changed what it was given.
      states.delete(key)
      throw error
    }
  }

  async #decide(call: Call, { state }: Loaded): Promise<Decision> {
    const { check, checkTimeoutMs, logger } = this.#parts
    const { aggregate, command, channel, params, time, id } = call
    const decision = decide(aggregate, command, state, call.input, { channel, params, time, id })
    if (decision.kind === 'refused') {
      const { error } = decision
      if (error.code === 'INTERNAL') logger.error({ err: error, channel }, 'the application could not decide')
      return decision
    }
    for (const { type, value } of check ? decision.events : []) {
      try {
        const checking = check?.(channel, type, value)
        if (checking) await inTime('the contract’s schema', checkTimeoutMs, () => checking)
      } catch (cause) {
        if (!(cause instanceof HoldfastError) || cause.code !== 'PAYLOAD_INVALID') throw cause
        const message = `${command[0]} has made an event that the contract refuses: ${cause.message}`
        const error = new HoldfastError('INTERNAL', message, { cause })
        logger.error({ err: error, channel }, 'the application has decided what may not be recorded')
        return { kind: 'refused', error }
      }
    }
    return decision
  }

  async #append(call: Call, { offset, epoch }: Loaded, decided: readonly Decided[]) {
    const { tier, states } = this.#parts
    const { channel, id, info, trace } = call
    const events = decided.map(({ type, data }, i) => ({
      channel,
      type,
      data,
      id: eventIdFrom(id, String(i)),
      ...(i === 0 && { expectedOffset: offset }),
      ...(info && { info }),
      trace,
    }))
    const lost = { kind: 'epoch' } as const
    if (epoch !== tier.log.ledger.epoch) return lost
    try {
      return await tier.appendTogether(events)
    } catch (error) {
      // Whether it is recorded may be unknown, and with it the state.
      states.delete(keyOf(call.aggregate, channel))
      if (error instanceof HoldfastError && error.code === 'EPOCH_CHANGED') return lost
      throw error
    }
  }

  #stored(key: string, call: Call, loaded: Loaded, events: readonly StoredEvent[]): Commanded {
    const { states, snapshots, tier, logger } = this.#parts
    const { aggregate, channel, id } = call
    const offset = events.at(-1)?.offset ?? loaded.offset
    try {
      const next = { ...loaded, state: evolveAll(aggregate, loaded.state, events), offset }
      states.set(key, snapshots.offer(key, aggregate, channel, next))
    } catch (error) {
      // It is recorded all the same; who asks next is told.
      states.delete(key)
      logger.error({ err: error, channel }, 'a state could not take in what was decided')
    }
    return {
      id,
      offset,
      epoch: tier.log.ledger.epoch,
      events: events.map(event => ({ id: event.id, type: event.type, offset: event.offset })),
      duplicate: false,
    }
  }

  /** A repetition may be refused just because the first one was not. */
  async #withoutEvents(call: Call, { offset, epoch }: Loaded, decision: Decision): Promise<Commanded> {
    const recorded = call.isNamed ? await findRecorded(this.#parts.tier.log.ledger, call) : undefined
    if (recorded) return recorded
    if (decision.kind === 'refused') throw decision.error
    return { id: call.id, offset, epoch, events: [], duplicate: false }
  }

  #checkTime({ deadline, command, channel }: Call): void {
    if (performance.now() < deadline) return
    const message = `${command[0]} on ${channel} could not be carried out in time; repeat it with the same id`
    throw new HoldfastError('DEPENDENCY_TIMEOUT', message)
  }
}

function keyOf({ name }: DeclaredAggregate, channel: string): string {
  return `${name} ${channel}`
}

async function pause(conflicts: number): Promise<void> {
  const most = Math.min(pauseMs.first * 2 ** conflicts, pauseMs.longest)
  await delay(most * Math.random())
}
