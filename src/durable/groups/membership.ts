import type { Logger } from '../../platform/index.ts'
import { within } from '../mirror/deadline.ts'
import type { GroupStore } from './group-store.ts'
import type { Runner } from './runner.ts'

export interface MembershipParts {
  readonly group: string
  readonly member: { readonly id: string; readonly node: string }
  readonly leaseMs: number
  readonly store: GroupStore
  readonly runner: Pick<Runner, 'tick' | 'released' | 'lose'>
  readonly logger: Logger
}

const mostBetweenTicksMs = 1_000
const ticksPerLease = 4
/** A process that stops does not wait for a database that hangs. */
const farewellMs = 2_000
/** So often at most, whatever there is to tell. */
const leastBetweenTicksMs = 50

/**
 * One process's membership in a group: gives signs of life, and tells the runner after each which partitions are its own.
 * When it could give none for the length of a lease, others may have them: the work stops before it is known.
 */
export class Membership {
  readonly #parts: MembershipParts
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined
  #expiry: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #soon = false
  #epoch: string | undefined
  #away = false
  #ended = false

  constructor(parts: MembershipParts) {
    this.#parts = parts
    this.#everyMs = Math.min(mostBetweenTicksMs, parts.leaseMs / ticksPerLease)
  }

  start(): void {
    this.#schedule(0)
  }

  tickSoon(): void {
    this.#soon = true
    if (!this.#running) this.#schedule(leastBetweenTicksMs)
  }

  /** Says farewell, so that others take over at once; without Postgres they wait for the end of the lease. */
  async leave(): Promise<void> {
    const ended = this.#ended
    this.#end()
    if (ended) return
    const { store, group, member, logger } = this.#parts
    // A tick that is under way could make it a member again.
    const farewell = Promise.resolve(this.#running).then(() => store.leave(group, member.id))
    await within(farewell, farewellMs, 'leaving the group').catch(error =>
      logger.warn({ err: error }, 'could not leave the group: its partitions wait for the lease'),
    )
  }

  #schedule(ms: number): void {
    if (this.#ended) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#soon = false
      const began = performance.now()
      this.#running = this.#tick().finally(() => {
        this.#running = undefined
        // Counted from the beginning: after an answer that was long in coming the lease may end within one pause.
        const pause = this.#soon ? 0 : this.#everyMs - (performance.now() - began)
        this.#schedule(Math.max(leastBetweenTicksMs, pause))
      })
    }, ms)
  }

  async #tick(): Promise<void> {
    const { group, member, leaseMs, store, runner, logger } = this.#parts
    // The lease begins when Postgres hears of it, which is not before the question leaves.
    const asked = performance.now()
    try {
      const tick = await store.tick(group, member, leaseMs, runner.released())
      if (this.#ended) return
      if (!tick) return this.#removed()
      if (performance.now() - asked >= leaseMs) return
      this.#expireIn(leaseMs - (performance.now() - asked))
      this.#noticeEpoch(tick.held[0]?.epoch)
      if (this.#away) logger.info('the consumer group goes on: Postgres answers again')
      this.#away = false
      runner.tick(tick)
    } catch (error) {
      if (!this.#away) logger.warn({ err: error }, 'a consumer group cannot keep its lease; it tries again')
      this.#away = true
    }
  }

  #expireIn(ms: number): void {
    clearTimeout(this.#expiry)
    this.#expiry = setTimeout(() => {
      this.#parts.logger.warn(
        'a consumer group has lost its lease: what was in hand is done again by whoever has it',
      )
      this.#parts.runner.lose()
    }, ms)
  }

  #noticeEpoch(epoch: string | undefined): void {
    if (epoch === undefined || epoch === this.#epoch) return
    if (this.#epoch !== undefined)
      this.#parts.logger.warn({ epoch, previous: this.#epoch }, 'a consumer group goes on in another epoch')
    this.#epoch = epoch
  }

  #removed(): void {
    this.#parts.logger.error('the consumer group was removed: this process does not work for it any more')
    this.#end()
    this.#parts.runner.lose()
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    clearTimeout(this.#expiry)
  }
}
