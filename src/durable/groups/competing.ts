import { setTimeout as delay } from 'node:timers/promises'
import { dueDeliveries, endDeliveriesOf, postpone } from './competing-due.ts'
import { Intake } from './competing-intake.ts'
import { Keeper } from './competing-keeper.ts'
import { GroupStream } from './competing-stream.ts'
import { CompetingWork } from './competing-work.ts'
import type { Runner, RunnerParts } from './runner.ts'
import type { Tick } from './tick.ts'

/** How often a process looks after the group while something is not settled, and otherwise. */
const busyMs = 250
const idleMs = 1_000
/** Whoever was given an event and has not settled it after so many of its handler's timeouts counts as lost. */
const patience = 1.5
/** When a process looks again at due deliveries for which it has no handler. */
const unmatchedMs = 60_000
/** How long a process that stops waits for Redis to forget its consumers. */
const forgetMs = 1_000

/**
 * A competing group in one process. Redis hands out (`Intake`), the ledger has what Redis can't (`Keeper`), and both only
 * propose: who takes a position in Postgres, in the transaction of its effect, handles the event.
 */
export function createCompetingRunner(parts: RunnerParts): Runner {
  return new CompetingRunner(parts)
}

class CompetingRunner implements Runner {
  readonly #parts: RunnerParts
  readonly #stream: GroupStream | undefined
  readonly #intake: Intake | undefined
  readonly #keeper: Keeper
  readonly #work: CompetingWork
  readonly #stops: (() => void)[] = []
  readonly #ended: Promise<void>[] = []
  readonly #closed = new AbortController()
  #surplus: readonly number[] = []
  #paused = true
  #stirred = false
  #stir: (() => void) | undefined

  constructor(parts: RunnerParts) {
    const { name, member, log, news, store, settings } = parts
    this.#parts = parts
    this.#stream = log.redis && new GroupStream(log.redis.log, name, member)
    this.#work = new CompetingWork(parts, this.#stream, {
      doubt: partition => this.#intake?.doubt(partition),
      stirred: () => this.#stirUp(),
    })
    const accept = this.#work.accept.bind(this.#work)
    this.#keeper = new Keeper({
      group: name,
      member,
      store,
      stream: this.#stream,
      news,
      patienceMs: settings.handlerTimeoutMs * patience,
      accept,
      onGroup: partition => this.#intake?.heard(partition),
    })
    this.#intake =
      this.#stream &&
      new Intake({
        stream: this.#stream,
        epoch: () => log.ledger.epoch,
        accept,
        noGroup: partition => this.#keeper.noGroup(partition),
      })
  }

  get partitions(): readonly number[] {
    return this.#keeper.partitions
  }

  get suppressed(): number {
    return this.#work.suppressed
  }

  tick({ held, paused }: Tick): void {
    if (this.#closed.signal.aborted) return
    if (this.#ended.length === 0) this.#begin()
    if (paused) this.#rest()
    else this.#paused = false
    this.#surplus = held.filter(each => each.surplus).map(each => each.partition)
    this.#keeper.hold(held.filter(each => !each.surplus))
    this.#stirUp()
  }

  /** A keeper has nothing in hand that it would have to finish. */
  released(): readonly number[] {
    return this.#surplus
  }

  /** What is being handled goes on: the positions that it has taken are its own, lease or not. */
  lose(): void {
    this.#rest()
    this.#keeper.hold([])
  }

  async close(withinMs: number): Promise<void> {
    this.#closed.abort()
    for (const stop of this.#stops) stop()
    this.#work.drop()
    this.#stirUp()
    await this.#work.finish(withinMs)
    await Promise.all(this.#ended)
    await this.#forgetSelf()
  }

  #begin(): void {
    const { log, news } = this.#parts
    const { ledger } = log
    for (let partition = 0; partition < ledger.partitions; partition++)
      this.#stops.push(news.watch(partition))
    this.#stops.push(
      news.listen(partition => {
        this.#intake?.heard(partition)
        this.#stirUp()
      }),
      // Positions of the old epoch mean nothing any more.
      ledger.onEpoch(() => this.#work.drop()),
    )
    this.#ended.push(this.#loop(), this.#rounds())
  }

  #rest(): void {
    this.#paused = true
    this.#work.drop()
  }

  /** Reads as much as can be worked on, and no more. */
  async #loop(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      if (!this.#paused) {
        this.#work.start()
        if (this.#work.hungry && (await this.#read())) continue
      }
      if (!this.#stirred && !this.#closed.signal.aborted)
        await new Promise<void>(resolve => (this.#stir = resolve))
      this.#stirred = false
    }
  }

  /** Whether there was anything to read. */
  async #read(): Promise<boolean> {
    const { free } = this.#work
    const reads: Promise<void>[] = []
    if (this.#intake?.hasWork) reads.push(this.#intake.read(free, this.#work.countFor(1)))
    if (this.#keeper.hasWork) reads.push(this.#readUncovered(this.#work.countFor(free)))
    await Promise.all(reads)
    return reads.length > 0
  }

  async #readUncovered(limit: number): Promise<void> {
    try {
      const page = await this.#keeper.readUncovered(limit)
      if (!page) return
      const { events, missing } = page.unsettled
      await Promise.all([this.#work.accept(page.place, events), this.#work.settle(page.place, missing)])
    } catch (error) {
      this.#keeper.rest()
      this.#parts.logger.debug({ err: error }, 'could not read the ledger for a group; it is tried again')
    }
  }

  async #rounds(): Promise<void> {
    const { signal } = this.#closed
    for (let swept = -idleMs; !signal.aborted; ) {
      const now = performance.now()
      const all = now - swept >= idleMs
      if (!this.#paused && (all || this.#keeper.behind || this.#work.owedBy(now))) await this.#round(all)
      if (all) swept = now
      await delay(busyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** @param all what no news has told of too */
  async #round(all: boolean): Promise<void> {
    if (all) this.#intake?.sweep(this.#parts.log.ledger.partitions)
    const acts = [
      () => this.#keeper.round(),
      () => this.#lookForDue(),
      () => this.#keeper.createGroups(),
      () => this.#claim(),
    ]
    for (const act of acts) {
      try {
        await act()
      } catch (error) {
        this.#parts.logger.debug({ err: error }, 'could not look after a group; it is tried again')
      }
    }
    this.#stirUp()
  }

  async #claim(): Promise<void> {
    if (this.#work.hungry) await this.#keeper.claim(this.#work.countFor(this.#work.free))
  }

  async #lookForDue(): Promise<void> {
    if (this.#work.dueWaiting) return
    const { store, name, routes, settings } = this.#parts
    const due = await dueDeliveries(store, name, settings.batchSize * settings.concurrency)
    const found = due.map(delivery => {
      const { event } = delivery
      return { delivery, event, route: event && routes.match(event.channel, event.type) }
    })
    this.#work.acceptDue(
      found.flatMap(({ delivery, event, route }) =>
        event && route ? [{ event, route, attempt: delivery.attempts + 1 }] : [],
      ),
    )
    await endDeliveriesOf(
      store,
      name,
      found.filter(each => !each.event).map(each => each.delivery),
    )
    const unmatched = found.filter(({ event, route }) => event && !route)
    await postpone(
      store,
      name,
      unmatched.map(each => each.delivery),
      unmatchedMs,
    )
  }

  #stirUp(): void {
    this.#stirred = true
    this.#stir?.()
    this.#stir = undefined
  }

  /** So that lists of consumers do not grow. What is still pending, keepers take over. */
  async #forgetSelf(): Promise<void> {
    const { log, member } = this.#parts
    const stream = this.#stream
    if (!stream?.reachable) return
    const { epoch, partitions } = log.ledger
    const places = Array.from({ length: partitions }, (_, partition) => ({ epoch, partition }))
    const forgotten = Promise.all(places.map(place => stream.forget(place, member))).catch(() => undefined)
    let timer: NodeJS.Timeout | undefined
    await Promise.race([forgotten, new Promise(resolve => (timer = setTimeout(resolve, forgetMs)))])
    clearTimeout(timer)
  }
}
