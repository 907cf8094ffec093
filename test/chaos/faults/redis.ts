import type { Fault } from '../types.ts'
import { redisFailover } from './redis-failover.ts'
import { redisMix } from './redis-mix.ts'
import { redisRestarts } from './redis-restarts.ts'
import { redisTroubles } from './redis-troubles.ts'

/** What happens to a Redis. */
export const redisFaults: readonly Fault[] = [...redisRestarts, ...redisTroubles, redisMix, redisFailover]
