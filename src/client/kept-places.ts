import type { Clock } from './clock.ts'
import type { Place } from './follower.ts'
import type { Report } from './report.ts'

/** Where places are kept: as the browser's `sessionStorage` and `localStorage` are, or anything that is like them. */
export interface PositionStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/** From one write of a place to the next, at least: storages of browsers write at once, and wait for the disk. */
const paceMs = 250

/** A reader's place, kept for the next page. */
export interface KeptPlace {
  /** As it was left; undefined for the first time, and where it cannot be read. */
  readonly place: Place | undefined
  /** After the end only what is further on than what is kept by then: another reader may have begun. */
  put(place: Place): void
  /** What was put is written now. */
  flush(): void
}

export interface KeptPlacesParts {
  readonly positions: 'session' | 'local' | PositionStore
  readonly clock: Clock
  readonly report: Report
}

export class KeptPlaces {
  readonly #parts: KeptPlacesParts
  readonly #open = new Set<KeptPlace>()

  constructor(parts: KeptPlacesParts) {
    this.#parts = parts
  }

  open(channel: string, name: true | string): KeptPlace & { close(): void } {
    const { clock, report } = this.#parts
    const store = this.#store()
    const key = name === true ? `holdfast:${channel}` : `holdfast:${channel}:${name}`
    let waiting: Place | undefined
    let cancel: (() => void) | undefined
    let closed = false
    const write = () => {
      cancel = undefined
      if (!waiting) return
      try {
        store?.setItem(key, JSON.stringify(waiting))
      } catch (error) {
        report(error, { kind: 'positions', channel })
      }
      waiting = undefined
    }
    const flush = () => {
      cancel?.()
      write()
    }
    const kept: KeptPlace & { close(): void } = {
      place: store && read(store, key),
      put(place) {
        if (closed && !leads(place, store && read(store, key))) return
        waiting = place
        if (closed) write()
        else cancel ??= clock.after(paceMs, write)
      },
      flush,
      close: () => {
        if (closed) return
        closed = true
        flush()
        this.#open.delete(kept)
        if (this.#open.size === 0) this.#listen(false)
      },
    }
    if (this.#open.size === 0) this.#listen(true)
    this.#open.add(kept)
    return kept
  }

  #store(): PositionStore | undefined {
    const { positions } = this.#parts
    if (typeof positions !== 'string') return positions
    const page = globalThis as { sessionStorage?: PositionStore; localStorage?: PositionStore }
    try {
      return positions === 'session' ? page.sessionStorage : page.localStorage
    } catch {
      // A page may be forbidden to keep anything: even to look is refused then.
      return undefined
    }
  }

  /** The last event that a page gets before it is gone, or put aside. */
  #listen(on: boolean): void {
    const page = globalThis as Partial<Record<'addEventListener' | 'removeEventListener', Listen>>
    const act = on ? page.addEventListener : page.removeEventListener
    act?.call(page, 'pagehide', this.#flushAll)
  }

  readonly #flushAll = () => {
    for (const kept of this.#open) kept.flush()
  }
}

type Listen = (name: string, act: () => void) => void

function leads(place: Place, kept: Place | undefined): boolean {
  return !kept || (place.epoch === kept.epoch && place.offset > kept.offset)
}

function read(store: PositionStore, key: string): Place | undefined {
  try {
    const { epoch, offset } = JSON.parse(store.getItem(key) ?? '{}') as Partial<Place>
    return typeof epoch === 'string' && Number.isSafeInteger(offset) && (offset ?? -1) >= 0
      ? { epoch, offset: offset as number }
      : undefined
  } catch {
    return undefined
  }
}
