import { Redis } from 'ioredis'
import type { Dependency } from '../types.ts'

/** Past the proxy, as whoever does the harm. */
export async function askRedis<T>(
  { directUrl }: Pick<Dependency, 'directUrl'>,
  ask: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis(directUrl, { commandTimeout: 2_000, connectionName: 'chaos' })
  redis.on('error', () => undefined)
  try {
    return await ask(redis)
  } finally {
    redis.disconnect()
  }
}

/** The proxy's ports of the connections that only listen. */
export async function subscriberPorts(redis: Pick<Dependency, 'directUrl'>): Promise<ReadonlySet<number>> {
  const list = await askRedis(redis, each => each.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
  return new Set([...String(list).matchAll(/ addr=\S+?:(\d+) /g)].map(([, port]) => Number(port)))
}
