import { constants, PerformanceObserver } from 'node:perf_hooks'
import { Buckets } from './buckets.ts'

const kinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak_callbacks',
}

/** How long V8's garbage collection has stopped this process, by kind, from `start` on. */
export class GcPauses {
  readonly byKind: ReadonlyMap<string, Buckets> = new Map(
    Object.values(kinds).map(kind => [kind, new Buckets()]),
  )
  readonly #observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as { readonly detail?: unknown }).detail as { readonly kind: number }
      this.byKind.get(kinds[kind] ?? '')?.record(entry.duration / 1_000)
    }
  })

  start(): void {
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  close(): void {
    this.#observer.disconnect()
  }
}
