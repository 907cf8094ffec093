/** Often enough that what is done in one step is a small share of all. */
const stepMs = 20

/**
 * Does something to each of many, evenly over a window and in their order. What a late turn of the event loop has
 * missed is spread over what is left of the window, instead of being made up for at once.
 */
export async function spread<T>(
  items: readonly T[],
  windowMs: number,
  act: (item: T) => void,
): Promise<void> {
  const start = performance.now()
  let done = 0
  while (done < items.length) {
    const leftMs = start + windowMs - performance.now()
    const steps = Math.max(1, Math.ceil(leftMs / stepMs))
    const upTo = done + Math.ceil((items.length - done) / steps)
    for (; done < upTo; done++) act(items[done] as T)
    if (done < items.length) await new Promise(resolve => setTimeout(resolve, stepMs))
  }
}
