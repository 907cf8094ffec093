import type { NaiveHandlers } from '../baselines/naive-server.ts'
import type { DialectName } from '../load/dialects.ts'
import type { FanOutHandlers, OpenFanOut, Step, StepResult } from '../load/fan-out.ts'
import type { Remote } from '../stage/remote.ts'
import type { Stage } from '../stage/stage.ts'
import type { Pids } from '../stage/usage.ts'

/** One server (of one or two processes) with a load process of its own. */
export interface Contestant {
  readonly name: DialectName
  readonly ports: readonly number[]
  /** Its server processes, and Redis as `redis`. */
  readonly pids: Pids
  readonly load: Remote<FanOutHandlers>
}

export type Shape = Pick<OpenFanOut, 'rooms' | 'perRoom' | 'sampleEvery'>

export async function holdfast(stage: Stage): Promise<Contestant> {
  const [redis, nodes] = await Promise.all([stage.redis(), stage.nodes(2)])
  return {
    name: 'holdfast',
    ports: nodes.map(node => node.port),
    pids: {
      ...Object.fromEntries(nodes.map((node, i) => [`node${i}`, node.pid])),
      redis: redis.process.pid ?? 0,
    },
    load: await stage.remote('load/fan-out.ts'),
  }
}

/** `ws` with Redis Pub/Sub in two processes. */
export async function naive(stage: Stage): Promise<Contestant> {
  const redis = await stage.redis()
  const servers = await Promise.all(
    [0, 1].map(() => stage.remote<NaiveHandlers>('baselines/naive-server.ts')),
  )
  return {
    name: 'naive',
    ports: await Promise.all(servers.map(server => server.call('start', { redisUrl: redis.url }))),
    pids: {
      ...Object.fromEntries(servers.map((server, i) => [`node${i}`, server.pid])),
      redis: redis.process.pid ?? 0,
    },
    load: await stage.remote('load/fan-out.ts'),
  }
}

export async function open(contestant: Contestant, shape: Shape): Promise<void> {
  await contestant.load.call('open', { dialect: contestant.name, ports: contestant.ports, ...shape })
}

export function step(contestant: Contestant, options: Omit<Step, 'processes'>): Promise<StepResult> {
  return contestant.load.call('step', { ...options, processes: contestant.pids })
}

/** CPU of the server processes per delivery, without Redis. */
export function serverUs({ cpuUs }: StepResult): number | undefined {
  const parts = Object.entries(cpuUs).filter(([name]) => name !== 'redis')
  if (parts.some(([, us]) => us === undefined)) return undefined
  return parts.reduce((sum, [, us]) => sum + (us ?? 0), 0)
}
