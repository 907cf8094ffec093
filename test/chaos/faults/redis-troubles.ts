import { redisMemory } from '../stage.ts'
import type { Dependency, Fault, Stage } from '../types.ts'
import { askRedis, subscriberPorts } from './ask-redis.ts'

/** Faults in which Redis stays what it is, and can't be reached, is slow, or refuses. */
export const redisTroubles: readonly Fault[] = [
  trouble('redis-hangs', 'SIGSTOP to Redis: it answers nothing, and no connection ends', {
    begin: ({ redis }) => redis.pause(),
    end: ({ redis }) => redis.goOn(),
  }),
  trouble('redis-cut', 'every connection to Redis is reset, and new ones are refused', {
    begin({ redis: { proxy } }) {
      proxy.refuse()
      proxy.cut('rst')
    },
  }),
  {
    name: 'redis-reset',
    about: 'every connection to Redis is reset once, and may come back at once',
    holdMs: 500,
    async inject({ redis }) {
      redis.proxy.cut('rst')
      return async () => undefined
    },
  },
  trouble(
    'redis-deaf',
    'nothing that is sent to Redis arrives until the fault is over; then all of it does',
    {
      begin: ({ redis }) => redis.proxy.hold({ way: 'toServer' }),
    },
  ),
  trouble('redis-mute', 'nothing that Redis says arrives until the fault is over; then all of it does', {
    begin: ({ redis }) => redis.proxy.hold({ way: 'toClient' }),
  }),
  trouble('redis-swallowed', 'whatever goes to Redis or comes from it is gone, and no connection ends', {
    begin: ({ redis }) => redis.proxy.swallow(),
  }),
  trouble('redis-subscribers-mute', 'nothing arrives on the connections that only listen; new ones work', {
    async begin({ redis }) {
      const ports = await subscriberPorts(redis)
      redis.proxy.swallow({ way: 'toClient', connections: 'present', only: port => ports.has(port) })
    },
  }),
  trouble('redis-slow', 'each answer of Redis comes 200 to 300 ms late', {
    begin: ({ redis }) => redis.proxy.slow({ way: 'toClient', delayMs: 200, jitterMs: 100 }),
  }),
  trouble('redis-very-slow', 'each answer of Redis comes 1.5 to 2.5 s late', {
    begin: ({ redis }) => redis.proxy.slow({ way: 'toClient', delayMs: 1_500, jitterMs: 1_000 }),
  }),
  trouble('redis-narrow', 'a line of 20 kB per second to Redis and back', {
    begin: ({ redis }) => redis.proxy.slow({ bytesPerSecond: 20_000 }),
  }),
  trouble('redis-out-of-memory', 'maxmemory of 1 byte: Redis refuses every write that takes memory', {
    begin: ({ redis }) => set(redis, { maxmemory: '1' }),
    end: ({ redis }) => set(redis, { maxmemory: redisMemory }),
  }),
  trouble('redis-read-only', 'Redis becomes a replica of nobody: it refuses every write', {
    begin: ({ redis }) => askRedis(redis, each => each.replicaof('127.0.0.1', 1)),
    end: ({ redis }) => askRedis(redis, each => each.replicaof('NO', 'ONE')),
  }),
  {
    name: 'redis-kicks-subscribers',
    about: 'CLIENT KILL TYPE pubsub, three times: what Redis does to a subscriber that reads too slowly',
    async inject({ redis }) {
      const kick = () =>
        askRedis(redis, each => each.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).catch(() => undefined)
      await kick()
      const timer = setInterval(kick, 1_000)
      return async () => clearInterval(timer)
    },
  },
]

/** `end` may be left out where healing the proxy is enough. */
function trouble(
  name: string,
  about: string,
  acts: { begin(stage: Stage): unknown; end?(stage: Stage): unknown },
): Fault {
  return {
    name,
    about,
    async inject(stage) {
      await acts.begin(stage)
      return async () => {
        await acts.end?.(stage)
        await stage.redis.proxy.heal()
      }
    },
  }
}

export async function set(redis: Dependency, settings: Readonly<Record<string, string>>): Promise<void> {
  await askRedis(redis, async each => {
    for (const [name, value] of Object.entries(settings)) await each.config('SET', name, value)
  })
}
