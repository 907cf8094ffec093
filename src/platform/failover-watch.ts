import { isIP } from 'node:net'
import { Redis } from 'ioredis'
import type { SentinelConfig } from './config-redis.ts'
import { addressOf, tlsOf } from './redis-target.ts'

/** So many sentinels are listened to at most. */
const maxSentinels = 3
const news = '+switch-master'
/** For so long news is compared with; after that the next may have been missed. */
const freshMs = 10_000

/**
 * Makes a connection anew when the sentinels have given the master's place to another server, which the connection by
 * itself may not notice: a former master that is cut off from them goes on to answer, and half of the nodes would stay
 * with it. It ends with the connection.
 *
 * ioredis has this as an option, but takes a connection that is just being made for closed for good when the news
 * comes then, which is when it comes after a crash.
 */
export function followFailovers(redis: Redis, config: SentinelConfig, retryStrategy: () => number): void {
  let present = ''
  let heardAt = Number.NEGATIVE_INFINITY
  const look = () => {
    const { stream, status } = redis
    if (performance.now() - heardAt > freshMs || status !== 'ready') return
    if (`${stream.remoteAddress} ${stream.remotePort}` !== present) redis.disconnect(true)
  }
  const watches = config.nodes.slice(0, maxSentinels).map(node => {
    const tls = tlsOf(config.sentinelTls)
    const watch = new Redis({
      ...addressOf(node, 26379),
      ...(config.sentinelUsername !== undefined && { username: config.sentinelUsername }),
      ...(config.sentinelPassword !== undefined && { password: config.sentinelPassword }),
      ...(tls && { tls }),
      connectionName: 'holdfast-failovers',
      connectTimeout: 2_000,
      enableReadyCheck: false,
      maxRetriesPerRequest: null,
      retryStrategy,
    })
    // The connection itself tells of sentinels that can't be reached.
    watch.on('error', () => undefined)
    watch.subscribe(news).catch(() => undefined)
    watch.on('message', (_, text: string) => {
      const [name, , , address = '', port = ''] = text.split(' ')
      if (name !== config.master) return
      // Behind other addresses than the sentinels know, or by name, it can't be told who is at the other end.
      // The next try would come by chance within two seconds.
      if (redis.status === 'reconnecting') redis.connect().catch(() => undefined)
      if (isIP(address) > 0 && !config.natMap) {
        present = `${address} ${port}`
        heardAt = performance.now()
        look()
      } else if (redis.status === 'ready') {
        redis.disconnect(true)
      }
    })
    return watch
  })
  // A sentinel that has not heard yet may have sent it to the former master once more.
  redis.on('ready', look)
  const disconnect = redis.disconnect.bind(redis)
  // There is no event for it where the connection was down at that moment.
  redis.disconnect = (again = false) => {
    if (!again) for (const watch of watches) watch.disconnect()
    disconnect(again)
  }
}
