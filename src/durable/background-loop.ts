import { setTimeout as delay } from 'node:timers/promises'

export interface BackgroundLoop {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>
}

/** Does something again and again, with a rest in between, until it is stopped. A failure is told; the next turn comes. */
export function startLoop(options: {
  readonly restMs: number
  readonly work: (stopping: AbortSignal) => Promise<unknown>
  readonly onFailure: (error: unknown) => void
}): BackgroundLoop {
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      try {
        await options.work(stopping.signal)
      } catch (error) {
        if (!stopping.signal.aborted) options.onFailure(error)
      }
      await delay(options.restMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}
