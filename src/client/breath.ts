/**
 * How long the application's handlers may keep the thread before everything else gets its turn: half of a frame at
 * 60 a second, so that a page scrolls and timers fire while a million events come in.
 */
const sliceMs = 8

/** Shares a thread with what is not ours. */
export interface Breath {
  /** Whether this task has gone on for so long that the next event should wait for `pause`. */
  due(): boolean
  /** Resolves in a task of its own, after others have had their turn. */
  pause(): Promise<void>
}

/** One for all channels of a client: their handlers share a thread too. */
export function threadBreath(): Breath {
  const nextTask = tasks()
  let began: number | undefined
  const taskEnded = () => {
    began = undefined
  }
  return {
    due() {
      const now = performance.now()
      if (began === undefined) {
        began = now
        nextTask(taskEnded)
      }
      return now - began >= sliceMs
    },
    pause: () => new Promise(resolve => nextTask(resolve)),
  }
}

/** As browsers have it. */
interface Port {
  onmessage: (() => void) | null
  postMessage(message: unknown): void
}

/**
 * How to begin a new task at once: browsers hold timers back for four milliseconds, and for a second where the page is
 * hidden, so they get a message. Node has a way of its own, which does not keep a process alive.
 */
function tasks(): (act: () => void) => void {
  const { setImmediate: immediate } = globalThis as { setImmediate?: (act: () => void) => unknown }
  if (immediate) return act => void immediate(act)
  if (typeof MessageChannel !== 'function') return act => void setTimeout(act, 0)
  const waiting: (() => void)[] = []
  const { port1, port2 } = new MessageChannel() as unknown as Record<'port1' | 'port2', Port>
  port1.onmessage = () => waiting.shift()?.()
  return act => {
    waiting.push(act)
    port2.postMessage(null)
  }
}
