// The page of the browser tests: our client as a front end bundles it, and clocks that tell how the tab fares.
import { createClient } from '../../src/client/index.ts'

export interface Task {
  readonly url: string
  readonly channel: string
  readonly way: 'replay' | 'subscribe'
  /** Events that are there. */
  readonly events: number
  /** How long each event keeps the thread. */
  readonly workMs: number
}

export interface Outcome {
  /** Events that came in their order; less than asked where one did not. */
  readonly events: number
  /** The most events that were handled between two tasks of others. */
  readonly most: number
  /** Timers and frames that came meanwhile. */
  readonly timers: number
  readonly frames: number
  /** The longest task of more than 50 ms that the browser told of; 0 where there was none. */
  readonly longestTaskMs: number
  readonly seconds: number
}

const page = globalThis as unknown as {
  requestAnimationFrame(act: () => void): void
  run(task: Task): Promise<Outcome>
}

/** Tasks of others, one after the other, that look how many events were handled since the one before. */
function watch(handled: () => number) {
  const seen = { most: 0, timers: 0, frames: 0, longestTaskMs: 0 }
  let going = true
  let before = 0
  const look = () => {
    seen.most = Math.max(seen.most, handled() - before)
    before = handled()
  }
  const { port1, port2 } = new MessageChannel() as unknown as Record<
    'port1' | 'port2',
    { onmessage: () => void; postMessage(nothing: null): void }
  >
  port1.onmessage = () => {
    look()
    if (going) port2.postMessage(null)
  }
  port2.postMessage(null)
  const timer = setInterval(() => seen.timers++, 0)
  const frame = () => {
    seen.frames++
    if (going) page.requestAnimationFrame(frame)
  }
  page.requestAnimationFrame(frame)
  const observer = new PerformanceObserver(list => {
    for (const { duration } of list.getEntries()) seen.longestTaskMs = Math.max(seen.longestTaskMs, duration)
  })
  observer.observe({ type: 'longtask' as 'measure' })
  return () => {
    going = false
    clearInterval(timer)
    look()
    observer.disconnect()
    return seen
  }
}

page.run = async ({ url, channel, way, events, workMs }) => {
  const client = createClient(url)
  await client.connect()
  let handled = 0
  const stop = watch(() => handled)
  const began = performance.now()
  const handle = ({ offset }: { offset: number | undefined }) => {
    if (offset !== handled + 1) throw new Error(`expected ${handled + 1}, got ${offset}`)
    for (const end = performance.now() + workMs; performance.now() < end; );
    handled++
  }
  if (way === 'replay') for await (const event of client.channel(channel).replay()) handle(event)
  else {
    await new Promise<void>(resolve => {
      client.channel(channel).subscribe({
        since: 0,
        onEvent: event => {
          handle(event)
          if (handled === events) resolve()
        },
      })
    })
  }
  const seen = stop()
  client.disconnect()
  return { events: handled, ...seen, seconds: (performance.now() - began) / 1_000 }
}
