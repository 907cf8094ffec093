// The load process of replay: one subscriber that wants a channel from its beginning.
import { answer } from '../stage/remote.ts'
import { dialects } from './dialects.ts'
import type { RawSocket } from './raw-socket.ts'

export interface ReplayRequest {
  readonly dialect: 'holdfast' | 'naive'
  readonly port: number
  /** The text that starts the replay. */
  readonly request: string
  /** Occurs exactly once in each event and nowhere else. */
  readonly mark: string
  readonly events: number
  /** Ends the last event's line or message; a replay without it is none. */
  readonly last: string
}

const limitMs = 60_000

/** Seconds from the request to the last event. @throws Error where an event is missing or too many come */
async function replay({ dialect, port, request, mark, events, last }: ReplayRequest): Promise<number> {
  const socket: RawSocket = await dialects[dialect].connect(port)
  const pattern = Buffer.from(mark)
  const done = Promise.withResolvers<void>()
  let seen = 0
  socket.sink = {
    begin: () => true,
    payload(_opcode, payload) {
      for (let at = payload.indexOf(pattern); at >= 0; at = payload.indexOf(pattern, at + pattern.length))
        seen++
      if (seen < events) return
      if (seen === events && payload.includes(last)) done.resolve()
      else
        done.reject(
          new Error(`${seen} of ${events} events, ending in ${payload.toString('utf8').slice(-300)}`),
        )
    },
  }
  const startedAt = performance.now()
  const limit = setTimeout(() => done.reject(new Error(`only ${seen} of ${events} events came`)), limitMs)
  socket.send(request)
  try {
    await done.promise
    return (performance.now() - startedAt) / 1000
  } finally {
    clearTimeout(limit)
    socket.close()
  }
}

const handlers = { replay }
export type ReplayHandlers = typeof handlers
answer(handlers)
