import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { FaultRig, kinds, nodes, person } from '../../test/support/fault-rig.ts'
import type { Follower, Numbered } from '../../test/support/follower.ts'
import { ownPrefix } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'

/**
 * What the longest silence between two deliveries on a node may be above that without the fault: before it, and on a node
 * without any Redis while it lasts.
 */
const mostSilenceMs = 250
/** A signal that another node published is not delivered later than this, and a slow machine's grace. */
const mostAgeMs = 2_000 + 500
const quietMs = 1_000
/** Longer than it takes to give a connection up. */
const windowMs = 2_500

interface Fault {
  readonly name: string
  readonly inject: (rig: FaultRig) => Promise<unknown>
  readonly heal?: (rig: FaultRig) => Promise<unknown>
  /** Whether clients with a place are told that something may be missing; where not said, they may be. */
  readonly told?: boolean
  readonly windowMs?: number
  /** New connections that may be tried, where that helps nobody. */
  readonly mostConnections?: number
  /** Where nothing is slow but the machine, a slow machine must not spoil what is expected. */
  readonly promptMs?: number
}

const config =
  (...pairs: string[]) =>
  (rig: FaultRig) =>
    rig.direct(redis => redis.call('CONFIG', 'SET', ...pairs))
const kill = async (rig: FaultRig) => {
  const ended = new Promise(resolve => rig.redis.process.once('exit', resolve))
  rig.redis.process.kill('SIGKILL')
  await ended
}

const hold = (which: 'commands' | 'subscriber', way?: 'toServer' | 'toClient') => async (rig: FaultRig) => {
  const only = await rig.ports(which)
  rig.proxy.hold({ connections: 'present', only, ...(way && { way }) })
}
const heal = (rig: FaultRig) => rig.proxy.heal()

const faults: readonly Fault[] = [
  { name: 'killed, and back empty', inject: kill, heal: rig => rig.restart(), told: true },
  {
    name: 'killed, and back with an older state after a time of loading it',
    inject: async rig => {
      await rig.direct(redis =>
        redis.mset(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, 'x']))),
      )
      await rig.direct(redis => redis.save())
      await delay(300)
      await kill(rig)
    },
    heal: rig => rig.restart(['--key-load-delay', '3000']),
    told: true,
    windowMs: 800,
  },
  {
    name: 'hung',
    inject: async rig => rig.redis.process.kill('SIGSTOP'),
    heal: async rig => rig.redis.process.kill('SIGCONT'),
    told: true,
  },
  {
    name: 'slow by a tenth of a second each way',
    inject: async rig => rig.proxy.slow({ delayMs: 100 }),
    heal,
    told: true,
  },
  { name: 'slow by half a second', inject: async rig => rig.proxy.slow({ delayMs: 250 }), heal, told: true },
  {
    name: 'slow by a little, with jitter',
    inject: async rig => rig.proxy.slow({ delayMs: 10, jitterMs: 40 }),
    heal,
  },
  {
    name: 'at the end of a narrow line',
    inject: async rig => rig.proxy.slow({ bytesPerSecond: 20_000 }),
    heal,
    told: true,
  },
  { name: 'out of memory', inject: config('maxmemory', '1'), heal: config('maxmemory', '0'), told: true },
  {
    name: 'read only, as a replica',
    inject: rig => rig.direct(redis => redis.call('REPLICAOF', '127.0.0.1', '1')),
    heal: rig => rig.direct(redis => redis.call('REPLICAOF', 'NO', 'ONE')),
    told: true,
    mostConnections: 4,
  },
  {
    name: 'without the replicas that writing needs',
    inject: config('min-replicas-to-write', '1'),
    heal: config('min-replicas-to-write', '0'),
    told: true,
  },
  {
    name: 'unable to save (MISCONF)',
    inject: async rig => {
      await config('save', '3600 1')(rig)
      await rig.loseDirectory()
      await rig.direct(async redis => {
        await redis.bgsave()
        await until('it can’t save', async () => /_status:err/.test(await redis.info('persistence')))
      })
    },
    heal: config('save', ''),
    told: true,
  },
  {
    name: 'another one, which knows nothing, after a failover',
    inject: async rig => {
      await rig.leadElsewhere()
      rig.proxy.cut('rst')
    },
    told: true,
  },
  {
    name: 'paused',
    inject: rig => rig.direct(redis => redis.call('CLIENT', 'PAUSE', '2000', 'ALL')),
    told: true,
  },
  {
    name: 'paused for writes, while PING is answered',
    inject: rig => rig.direct(redis => redis.call('CLIENT', 'PAUSE', '2000', 'WRITE')),
    told: true,
  },
  { name: 'wiped', inject: rig => rig.direct(redis => redis.flushall()), told: true, windowMs: 500 },
  { name: 'half-open on the commands’ connection', inject: hold('commands'), heal },
  { name: 'half-open on the way of commands', inject: hold('commands', 'toServer'), heal },
  { name: 'half-open on the way of answers', inject: hold('commands', 'toClient'), heal },
  {
    name: 'half-open on the subscriber’s connection',
    inject: hold('subscriber'),
    heal,
    told: false,
    promptMs: 2_000,
  },
  {
    name: 'half-open on the way to the subscriber',
    inject: hold('subscriber', 'toClient'),
    heal,
    told: false,
    promptMs: 2_000,
  },
  {
    name: 'half-open on the way from the subscriber',
    inject: hold('subscriber', 'toServer'),
    heal,
    told: false,
    promptMs: 2_000,
  },
  {
    name: 'cutting its subscribers off again and again',
    inject: async rig => {
      for (let i = 0; i < 5; i++) {
        await rig.direct(redis => redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
        await delay(200)
      }
    },
    told: false,
    windowMs: 500,
    promptMs: 2_000,
  },
  {
    name: 'not the one that answers the subscribers’ PINGs',
    inject: async rig => {
      const subscribers = await rig.ports('subscriber')
      await rig.leadElsewhere()
      rig.proxy.cut('rst', subscribers)
      const { accepted } = rig.proxy
      await until('the subscribers have been led astray', () => rig.proxy.accepted >= accepted + nodes.length)
      rig.proxy.pointTo(rig.redis.url)
    },
    // Nothing else brings them back.
    heal: rig =>
      until('both have found out', () => nodes.every(node => rig.tiers[node].counts.loop.losses > 0)),
    told: false,
    promptMs: 2_000,
  },
  {
    name: 'cut off in the middle of everything',
    inject: async rig => {
      rig.proxy.refuse()
      rig.proxy.cut('rst')
    },
    heal,
    told: true,
    windowMs: 1_000,
  },
]

describe.concurrent('while Redis is', () => {
  // Once more where the machine was short of time: one of the promises is about milliseconds.
  it.for(faults)('$name', { timeout: 60_000, retry: 1 }, async (fault, { expect }) => {
    const rig = await FaultRig.start(ownPrefix(), fault.promptMs ?? 150)
    try {
      const { a, b } = rig.tiers
      await a.presence.enter('f:who', person('x'))
      await b.presence.enter('f:who', person('z'))
      rig.talk()
      await until('all hear all', () => Object.values(rig.followers).every(({ seen }) => seen.length > 40))
      const quietFrom = performance.now()
      await delay(quietMs)

      const { accepted } = rig.proxy
      const from = performance.now()
      await fault.inject(rig)
      await delay(fault.windowMs ?? windowMs)
      void a.presence.leave('f:who', person('x'))
      void a.presence.enter('f:who', person('y'))
      const asked = performance.now()
      const here = [...(await a.presence.list('f:who')).keys()]
      const took = performance.now() - asked
      const to = performance.now()
      expect(rig.proxy.accepted - accepted).toBeLessThanOrEqual(fault.mostConnections ?? Infinity)
      await fault.heal?.(rig)
      await rig.healed()

      expect(rig.failures).toEqual([])
      const silencesOf = (start: number, end: number) =>
        nodes.flatMap(node =>
          kinds.map(kind => longestSilence(rig.followers[`${node} ${kind}`], node, start, end)),
        )
      const calm = Math.max(longestSilence(rig.calm, 'alone', from, to), ...silencesOf(quietFrom, from))
      const silences = silencesOf(from, to).map(silence => Math.round(silence - calm))
      expect(Math.max(...silences), `longest silences above ${calm} ms: ${silences}`).toBeLessThan(
        mostSilenceMs,
      )

      for (const node of nodes)
        for (const kind of kinds) {
          const follower = rig.followers[`${node} ${kind}`]
          const who = `${kind} on ${node}`
          const missing = missingOf(follower, rig.published[kind])
          expect(repeated(follower), `${who}: seen twice`).toEqual([])
          expect(disordered(follower), `${who}: out of order`).toEqual([])
          if (kind === 'plain') {
            const ages = follower.seen.map(({ at, seenAt }) => seenAt - at)
            expect(Math.max(...ages), `${who}: age`).toBeLessThan(mostAgeMs)
            expect(
              missing.filter(({ by }) => by === node),
              `${who}: missing`,
            ).toEqual([])
            expect(follower.ended).toBe(0)
          } else if (follower.told === 0) expect(missing, `${who}: missing without a word`).toEqual([])
        }
      const told = nodes.map(node => rig.followers[`${node} numbered`].told > 0)
      if (fault.told !== undefined) expect(told).toEqual([fault.told, fault.told])

      expect(here).toContain('y')
      expect(here).not.toContain('x')
      expect(took).toBeLessThan(mostSilenceMs + calm)
      const present = async () => [...(await b.presence.list('f:who')).keys()].sort().join()
      await until('presence is as it should be', async () => (await present()) === 'y,z')
    } finally {
      await rig.close()
    }
  })
})

function longestSilence(follower: Follower, by: string, from: number, to: number): number {
  const times = follower.seen.filter(each => each.by === by && !each.recovered).map(({ seenAt }) => seenAt)
  let longest = 0
  let last = from
  for (const time of [...times.filter(time => time > from && time < to), to]) {
    longest = Math.max(longest, time - last)
    last = time
  }
  return longest
}

const nameOf = ({ by, n }: Numbered) => `${by} ${n}`

function repeated({ seen }: Follower): string[] {
  const once = new Set<string>()
  return seen.map(nameOf).filter(name => once.size === once.add(name).size)
}

function disordered({ seen }: Follower): string[] {
  const last = new Map<string, number>()
  return seen
    .filter(({ by, n }) => {
      const before = last.get(by) ?? 0
      last.set(by, n)
      return n < before
    })
    .map(nameOf)
}

function missingOf({ seen }: Follower, published: readonly Numbered[]): Numbered[] {
  const names = new Set(seen.map(nameOf))
  return published.filter(each => !names.has(nameOf(each)))
}
