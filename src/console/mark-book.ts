import { randomUUID } from 'node:crypto'
import { storable } from '../domain/index.ts'
import { RecentKeys } from './recent-keys.ts'
import type { Mark, MarkKind } from './wire-common.ts'

/** Marks that this node remembers by itself, and those that wait for Postgres. */
const mostRecent = 500
const mostWaiting = 500
/** Of one node within a minute: something that flaps must not push everything else out. */
const mostPerMinute = 30

export interface NewMark {
  readonly kind: MarkKind
  /** A sentence. */
  readonly says: string
  readonly details?: Mark['details']
  /** The same for all nodes that see the same; by default this node alone tells of it. */
  readonly id?: string
  readonly node?: string | null
}

export interface MarkBookOptions {
  readonly nodeName: string
  /** Tells the other nodes. */
  readonly tell: (mark: Mark) => void
}

/** What has changed lately, here and on nodes that have told of it; and what of it is still to be written down. */
export class MarkBook {
  readonly #options: MarkBookOptions
  readonly #known = new RecentKeys(2 * mostRecent)
  #recent: Mark[] = []
  #waiting: Mark[] = []
  #minute = 0
  #noted = 0

  constructor(options: MarkBookOptions) {
    this.#options = options
  }

  /** The newest first. */
  get recent(): readonly Mark[] {
    return this.#recent
  }

  note({ kind, says, details = {}, id = randomUUID(), node = this.#options.nodeName }: NewMark): void {
    const time = Date.now()
    // What was found missing stays known by its mark.
    if (kind !== 'audit' && this.#flaps(time)) return
    const mark: Mark = {
      ...{ time, kind, details },
      id: storable(id),
      node: node === null ? null : storable(node),
      says: storable(says),
    }
    if (!this.hear(mark)) return
    this.#waiting.push(mark)
    if (this.#waiting.length > mostWaiting) this.#waiting.shift()
    this.#options.tell(mark)
  }

  /** Another node has told of it. False where it is known. */
  hear(mark: Mark): boolean {
    if (!this.#known.add(mark.id)) return false
    const place = this.#recent.findIndex(({ time }) => time <= mark.time)
    this.#recent.splice(place < 0 ? this.#recent.length : place, 0, mark)
    this.#recent.length = Math.min(this.#recent.length, mostRecent)
    return true
  }

  /** Has what waits written down; it waits on where that fails. */
  async write(save: (marks: readonly Mark[]) => Promise<unknown>): Promise<void> {
    const marks = this.#waiting
    if (marks.length === 0) return
    await save(marks)
    const written = new Set(marks.map(({ id }) => id))
    this.#waiting = this.#waiting.filter(({ id }) => !written.has(id))
  }

  #flaps(time: number): boolean {
    const minute = Math.floor(time / 60_000)
    if (minute !== this.#minute) this.#noted = 0
    this.#minute = minute
    return ++this.#noted > mostPerMinute
  }
}
