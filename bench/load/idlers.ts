// The load process of the memory part: connections that do nothing.
import { answer } from '../stage/remote.ts'
import { type DialectName, dialects } from './dialects.ts'
import { inGroups } from './groups.ts'
import type { RawSocket } from './raw-socket.ts'

const idle: RawSocket[] = []

export interface Idle {
  readonly dialect: DialectName
  readonly port: number
  readonly connections: number
  /** Rooms to spread them over; 0 for connections without a subscription. */
  readonly rooms: number
}

async function open({ dialect, port, connections, rooms }: Idle): Promise<void> {
  await inGroups(connections, 100, async i => {
    const socket = await dialects[dialect].connect(port)
    if (rooms > 0) await dialects[dialect].subscribe(socket, `idle${i % rooms}`)
    idle.push(socket)
  })
}

/** How many are still there. */
async function count(_: undefined): Promise<number> {
  return idle.filter(socket => !socket.closed).length
}

const handlers = { open, count }
export type IdleHandlers = typeof handlers
answer(handlers)
