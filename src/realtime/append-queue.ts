import { randomBytes } from 'node:crypto'
import type { Position } from '../domain/index.ts'
import { encodePublication } from '../protocol/index.ts'
import { lastWord, placedHead } from './envelope.ts'
import { fateOf, isRefusal } from './fate.ts'
import type { Keys } from './keys.ts'
import { publishMemoryMs } from './once.ts'
import type { RedisLink } from './redis-link.ts'
import type { Append, AppendOutcome } from './scripts.ts'
import type { RealtimePublish } from './tier.ts'

/** How long the numbering outlives the publications: a quiet channel keeps its epoch, so clients keep their place. */
export const metaBeyondHistoryMs = 24 * 3_600_000
/** Publications in one write to Redis; they are scripts, and Redis does nothing else meanwhile. */
const maxAtOnce = 500
/** And so many characters: an answer has to be prompt, however long what was asked is under way. */
const maxCharactersAtOnce = 512 * 1_024

/**
 * `placed`: numbered, kept and published. `known`: its idempotency key was, with that place. `refused`: Redis lives
 * and has changed nothing. `overtaken`: the same, and a later one of the channel was placed. `unsent`: nobody has got it.
 * `doubtful`: no answer in time; Redis may have published it, and will not do so later.
 */
export type Fate =
  | { readonly kind: 'placed'; readonly place: Position; readonly line: string }
  | { readonly kind: 'known'; readonly place: Position }
  | { readonly kind: 'refused' | 'overtaken'; readonly error: unknown }
  | { readonly kind: 'unsent' | 'doubtful' }

interface Waiting {
  readonly channel: string
  readonly append: Omit<Append, 'notAfter' | 'run'>
  readonly settle: (fate: Fate) => void
}

const unsent: Fate = { kind: 'unsent' }

/**
 * Publications on their way to being numbered. Those of one turn of the event loop go out together, and while they are
 * under way the next ones collect. None waits longer than a prompt answer takes: where one is late, all that wait are
 * let go in their order. Fates are told at once and one after the other, so that whoever goes without a number by its
 * own is still ahead of all that come after it.
 */
export class AppendQueue {
  readonly #link: RedisLink
  readonly #keys: Keys
  readonly #node: string
  #waiting: Waiting[] = []
  #underWay: readonly Waiting[] = []
  #untold: (readonly [Waiting, Fate])[] | undefined
  #held: Promise<unknown> | undefined
  #scheduled = false
  #sending = false
  /** Counts releases, so that what was under way at one changes nothing about what follows. */
  #releases = 0

  constructor(link: RedisLink, keys: Keys, node: string) {
    this.#link = link
    this.#keys = keys
    this.#node = node
  }

  get length(): number {
    return this.#waiting.length
  }

  /** `mark` travels with it to whoever takes it over the bus. `settle` must not throw. */
  append(publication: RealtimePublish, mark: string, settle: (fate: Fate) => void): void {
    const { channel } = publication
    this.#waiting.push({ channel, append: this.#encode(publication, mark), settle })
    if (this.#scheduled || this.#sending) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#send()
    })
  }

  /** Until this is settled nothing more is sent; it must not reject. */
  hold(until: Promise<unknown>): void {
    this.#held = until
  }

  /** Lets go all that are under way or wait, in their order: those who publish from now on must not overtake them. */
  release(): void {
    const underWay = this.#underWay
    const waiting = this.#waiting
    this.#underWay = []
    this.#waiting = []
    this.#releases++
    this.#sending = false
    this.#tell([
      ...underWay.map(each => [each, { kind: 'doubtful' }] as const),
      ...waiting.map(each => [each, unsent] as const),
    ])
  }

  /** Lets go those of one channel that wait: one before them has got no number. */
  releaseChannel(channel: string): void {
    const released = this.#waiting.filter(each => each.channel === channel)
    if (released.length === 0) return
    this.#waiting = this.#waiting.filter(each => each.channel !== channel)
    this.#tell(released.map(each => [each, unsent] as const))
  }

  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    const releases = this.#releases
    while (this.#waiting.length > 0) {
      if (this.#held) {
        const held = this.#held
        await held
        if (releases !== this.#releases) return
        if (this.#held === held) this.#held = undefined
        continue
      }
      const batch = this.#take()
      this.#underWay = batch
      const fatesOf = await this.#sendBatch(batch)
      if (releases !== this.#releases) return
      this.#underWay = []
      this.#tell(fatesOf())
      if (releases !== this.#releases) return
    }
    this.#sending = false
  }

  /** Who is told may release others: they come behind those who are still to be told. */
  #tell(fates: readonly (readonly [Waiting, Fate])[]): void {
    if (this.#untold) {
      for (const each of fates) this.#untold.push(each)
      return
    }
    this.#untold = [...fates]
    for (const [{ settle }, fate] of this.#untold) settle(fate)
    this.#untold = undefined
  }

  #take(): Waiting[] {
    let count = 0
    let characters = 0
    for (const { append } of this.#waiting) {
      characters += append.publication.head.length
      if (count > 0 && (count === maxAtOnce || characters > maxCharactersAtOnce)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  /** Resolves to what says everybody's fate, to be asked only where the answer still counts. */
  async #sendBatch(batch: readonly Waiting[]): Promise<() => (readonly [Waiting, Fate])[]> {
    const link = this.#link
    const same = (fate: Fate) => () => batch.map(each => [each, fate] as const)
    if (!link.prompt) return same(unsent)
    const { run } = link
    const notAfter = link.notAfter(link.promptMs)
    const appends = batch.map(({ append }) => ({ ...append, notAfter, run }))
    try {
      const outcomes = await link.ask(scripts => scripts.appendAll(appends))
      return () => {
        const fates = batch.map((each, i) => [each, this.#fate(each.append, outcomes[i])] as const)
        return outcomes.some(outcome => outcome instanceof Error) ? fates.map(markOvertaken) : fates
      }
    } catch (error) {
      return same(isRefusal(error) ? { kind: 'refused', error } : { kind: fateOf(error) })
    }
  }

  #fate({ message, publication }: Waiting['append'], outcome: AppendOutcome | Error | undefined): Fate {
    if (!outcome || outcome instanceof Error) return { kind: 'refused', error: outcome }
    this.#link.learnClock(outcome.clock)
    if (outcome.kind === 'late') return unsent
    const { place } = outcome
    if (outcome.kind === 'known') return { kind: 'known', place }
    const start = message.tail.slice(message.tail.indexOf('\n') + 1)
    return {
      kind: 'placed',
      place,
      line: `${start}${publication.head}${place.offset}${publication.tail}}}`,
    }
  }

  #encode(publication: RealtimePublish, mark: string): Waiting['append'] {
    const { channel, data, info, tags, idempotencyKey, options, trace } = publication
    const head = encodePublication({ data, ...(info && { info }) })
    const tail = encodePublication({ data: '', ...(tags && { tags }), time: Date.now() })
    const ttlMs = options.history.ttlSeconds * 1_000
    return {
      keys: this.#keys.history(channel),
      ...(idempotencyKey !== undefined && { memoryKey: this.#keys.memory(channel, idempotencyKey) }),
      memoryMs: publishMemoryMs,
      newEpoch: newEpoch(),
      size: options.history.size,
      ttlMs,
      metaTtlMs: ttlMs + metaBeyondHistoryMs,
      busChannel: this.#keys.bus(channel),
      message: {
        head: placedHead(this.#node, 'numbered'),
        tail: ` ${mark}${lastWord(trace)}\n{"push":{"channel":${JSON.stringify(channel)},"pub":`,
      },
      publication: { head: `${head.slice(0, -1)},"offset":`, tail: tail.slice('{"data":'.length) },
    }
  }
}

/** Redis took the batch in its order: what it refused must not come to anybody behind what it took afterwards. */
function markOvertaken(
  [waiting, fate]: readonly [Waiting, Fate],
  at: number,
  all: readonly (readonly [Waiting, Fate])[],
): readonly [Waiting, Fate] {
  const { channel } = waiting
  const overtaken =
    fate.kind === 'refused' &&
    all.some(([later, { kind }], i) => i > at && kind === 'placed' && later.channel === channel)
  return [waiting, overtaken ? { ...fate, kind: 'overtaken' } : fate]
}

/** The name of a numbering's life, should this call begin one. */
export function newEpoch(): string {
  return randomBytes(6).toString('base64url')
}
