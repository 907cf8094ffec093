/** Often enough that what is done in one step is a small share of all. */
const stepMs = 20
/** What a late turn has missed is made up for by steps of at most so many times their share. */
const mostShares = 3

export interface Window {
  /** Over how long, where turns are not late. */
  readonly spreadMs: number
  /** After this long what is left is done at once. */
  readonly limitMs: number
}

/**
 * Does something to each of many, evenly over a window and in their order. Where the event loop is late, it rather takes
 * longer than that it does many in one step.
 */
export async function spread<T>(
  items: readonly T[],
  { spreadMs, limitMs }: Window,
  act: (item: T) => void,
): Promise<void> {
  const start = performance.now()
  const most = spreadMs > 0 ? Math.ceil((mostShares * items.length * stepMs) / spreadMs) : items.length
  let done = 0
  while (done < items.length) {
    const passedMs = performance.now() - start
    const left = items.length - done
    const steps = Math.max(1, Math.ceil((spreadMs - passedMs) / stepMs))
    const now = passedMs < limitMs ? Math.min(most, Math.ceil(left / steps)) : left
    for (const item of items.slice(done, done + now)) act(item)
    done += now
    if (done < items.length) await new Promise(resolve => setTimeout(resolve, stepMs))
  }
}
