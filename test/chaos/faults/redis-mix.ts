import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { redisMemory } from '../stage.ts'
import type { Fault, Stage } from '../types.ts'
import { askRedis, subscriberPorts } from './ask-redis.ts'
import { set } from './redis-troubles.ts'

/** Something that may happen at any time beside others, and its end. */
type Act = (stage: Stage, random: () => number) => Promise<() => Promise<void>>

const nothing = async () => undefined

const acts: readonly Act[] = [
  async ({ redis }) => {
    redis.pause()
    return async () => redis.goOn()
  },
  async ({ redis }, random) => {
    await redis.kill()
    const empty = random() < 0.5
    return async () => {
      if (empty) await rm(join(redis.directory, 'appendonlydir'), { recursive: true, force: true })
      await redis.startAgain()
    }
  },
  async ({ redis }, random) => {
    redis.proxy.hold({ way: random() < 0.5 ? 'toServer' : 'toClient' })
    return nothing
  },
  async ({ redis }) => {
    redis.proxy.swallow()
    return nothing
  },
  async ({ redis }, random) => {
    redis.proxy.slow({ delayMs: 400 * random(), jitterMs: 200 })
    return nothing
  },
  async ({ redis }) => {
    redis.proxy.cut('rst')
    return nothing
  },
  async ({ redis }) => {
    const ports = await subscriberPorts(redis).catch(() => new Set<number>())
    redis.proxy.cut('fin', port => ports.has(port))
    return nothing
  },
  async ({ redis }) => {
    await askRedis(redis, each => each.flushall()).catch(nothing)
    return nothing
  },
  async ({ redis }) => {
    await set(redis, { maxmemory: '1' }).catch(nothing)
    return () => set(redis, { maxmemory: redisMemory }).catch(nothing)
  },
]

/** One after another, by chance, some of them two at a time, a quarter of the time nothing at all. */
export const redisMix: Fault = {
  name: 'redis-mix',
  about: 'a shifting mix of these by chance, two at a time at most, a quarter of the time quiet',
  holdMs: 12_000,
  async inject(stage, _running, random) {
    const over = new AbortController()
    const shifts = shift(stage, random, over.signal)
    return async () => {
      over.abort()
      await shifts
    }
  },
}

async function shift(stage: Stage, random: () => number, over: AbortSignal): Promise<void> {
  const { proxy } = stage.redis
  while (!over.aborted) {
    const begun: (() => Promise<void>)[] = []
    if (random() >= 0.25) {
      const first = Math.floor(random() * acts.length)
      const second = random() < 0.3 ? Math.floor(random() * acts.length) : first
      for (const i of new Set([first, second])) begun.push((await acts[i]?.(stage, random)) ?? nothing)
    }
    await delay(400 + 1_200 * random(), undefined, { signal: over }).catch(nothing)
    for (const end of begun.reverse()) await end()
    await proxy.heal()
  }
}
