import { SingleBar } from 'cli-progress'
import type { BuildReport } from '../projections/index.ts'

/** How a build goes on, for whoever waits for it. */
export interface BuildProgress {
  tell(build: BuildReport): void
  stop(): void
}

/** Rates are of the last seconds, so that a pause or a restart shows. */
const windowMs = 10_000
const lineEveryMs = 10_000

/** A bar on standard error; a line now and then where that is no terminal. */
export function buildProgress(what: string, stream: NodeJS.WriteStream = process.stderr): BuildProgress {
  const seen: { readonly at: number; readonly done: number }[] = []
  const bar = stream.isTTY
    ? new SingleBar({ format: `${what} {bar} {value} of {total}  {speed}`, stream, hideCursor: true })
    : undefined
  let started = false
  let told = Number.NEGATIVE_INFINITY
  return {
    tell({ progress: { done, total }, known, paused }) {
      const now = performance.now()
      seen.push({ at: now, done })
      while (seen.length > 2 && (seen[0]?.at ?? now) < now - windowMs) seen.shift()
      const speed = known ? speedText(seen, total - done, paused) : 'waits for a node that declares it'
      if (bar) {
        if (started) bar.setTotal(total)
        else bar.start(total, done, { speed })
        started = true
        bar.update(done, { speed })
      } else if (now - told >= lineEveryMs) {
        told = now
        stream.write(`${what}: ${done} of ${total}, ${speed}\n`)
      }
    },
    stop: () => bar?.stop(),
  }
}

function speedText(
  seen: readonly { readonly at: number; readonly done: number }[],
  left: number,
  paused: boolean,
): string {
  if (paused) return 'paused'
  const [first, last] = [seen[0], seen.at(-1)]
  if (!first || !last || last.at === first.at) return 'begins'
  const rate = ((last.done - first.done) * 1_000) / (last.at - first.at)
  if (left <= 0) return 'catches up'
  if (rate <= 0) return 'stands still'
  return `${Math.round(rate).toLocaleString('en')}/s, ${spanText(left / rate)} left`
}

/** A span of time as people say it: `40 s`, `3 min`, `2 h 5 min`. */
export function spanText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
