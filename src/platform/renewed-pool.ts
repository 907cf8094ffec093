import type postgres from 'postgres'
import { PoolSockets } from './pool-sockets.ts'

export type Sql = postgres.Sql

/** Longer than what a pool that is left was given has to wait and to work. */
const leftMs = 30_000

/**
 * A pool that begins anew where one of its connections has broken: what is asked from then on goes to new connections, and
 * what was asked before comes to its end where it is. The driver (postgres 3.4) goes on sending to a connection until it is
 * told of its end, and where that is in the same turn of the event loop, the statement is never answered, nor is what is to
 * follow over the connection made in its place.
 *
 * @param connectMs how long a socket may take to connect
 * @param open opens a pool of the driver over these sockets
 */
export function renewedPool(connectMs: number, open: (sockets: PoolSockets) => Sql): Sql {
  const left = new Map<Sql, PoolSockets>()
  let ended: Promise<void> | undefined
  const begin = (): Sql => {
    const sockets = new PoolSockets(connectMs, () => {
      if (pool !== current || ended) return
      current = begin()
      left.set(pool, sockets)
      setTimeout(() => {
        left.delete(pool)
        pool.end({ timeout: 0 })
      }, leftMs).unref()
    })
    const pool = open(sockets)
    return pool
  }
  let current = begin()
  const endAll = async (bounds?: { timeout?: number }): Promise<void> => {
    // Of those that are left the driver would wait for ever for what was under way where a connection broke.
    const boundsLeft = (count: number) => ({ timeout: count === 0 ? 0 : (bounds?.timeout ?? leftMs / 1_000) })
    const ends = [...left].map(([pool, { count }]) => pool.end(boundsLeft(count)))
    await Promise.all([current.end(bounds), ...ends])
  }
  const end = (bounds?: { timeout?: number }): Promise<void> => {
    ended ??= endAll(bounds)
    return ended
  }
  return new Proxy(current, {
    apply: (_, __, given) => Reflect.apply(current, undefined, given),
    get: (_, key) => (key === 'end' ? end : Reflect.get(current, key)),
  })
}
