import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { startChildServer } from '../../src/cli/services/child-server.ts'
import { freePort } from '../../src/cli/services/free-port.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { type KillableRedis, killableRedis } from './killable-redis.ts'
import { until } from './until.ts'

const masterName = 'holdfast-test'
/** A sentinel that finds its clock to have jumped, as on a machine that stood still, does nothing for 30 seconds. */
const patienceMs = 90_000
/** How long sentinels wait before a master counts as down. */
const downAfterMs = 1_000

/** The master or a replica. Started again after a kill the sentinels make it a replica of whoever is the master by then. */
export type WatchedServer = KillableRedis

export interface SentinelServers {
  /** For `redis.sentinel` of a configuration. */
  readonly config: { readonly master: string; readonly nodes: readonly string[] }
  readonly servers: readonly WatchedServer[]
  /** Whom the sentinels call the master. */
  master(): Promise<WatchedServer>
  /** `SENTINEL FAILOVER`, with the master alive; resolves when another one has its place. */
  failOver(): Promise<void>
  /** Waits until the sentinels name another master than this one, and it says so itself. */
  replaced(former: WatchedServer): Promise<void>
  close(): Promise<void>
}

/** A master, two replicas and three sentinels, in a folder and on ports of their own. */
export async function startRedisSentinel(server: string): Promise<SentinelServers> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-sentinel-'))
  const servers: WatchedServer[] = []
  const sentinels: { redis: Redis; port: number; stop(): Promise<void> }[] = []
  const close = async () => {
    for (const { redis } of [...sentinels, ...servers]) redis.disconnect()
    // The sentinels first: they would call what is stopped down.
    await Promise.all(sentinels.map(each => each.stop()))
    for (const each of servers) each.goOn()
    await Promise.all(servers.map(each => each.stop()))
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const first = await startServer(server, undefined)
    servers.push(first)
    servers.push(...(await Promise.all([1, 2].map(() => startServer(server, first.port)))))
    sentinels.push(...(await Promise.all([1, 2, 3].map(() => startSentinel(server, directory, first.port)))))
    await until(
      'every sentinel knows the others and the replicas',
      async () => {
        const rows = await Promise.all(
          sentinels.map(({ redis }) => redis.call('SENTINEL', 'MASTER', masterName)),
        )
        return rows.every(row => {
          const fields = new Map((row as string[]).map((value, i, all) => [all[i - 1], value]))
          return fields.get('num-slaves') === '2' && fields.get('num-other-sentinels') === '2'
        })
      },
      patienceMs,
    )
  } catch (error) {
    await close()
    throw error
  }
  const master = async () => {
    const [one] = sentinels
    const address = await one?.redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName)
    const port = Number((address as string[] | null)?.[1])
    const found = servers.find(each => each.port === port)
    if (!found) throw new Error(`no server has the port ${port}`)
    return found
  }
  const replaced = async (former: WatchedServer) => {
    await until(
      'another master has its place',
      async () => {
        const now = await master()
        return now !== former && now.running && (await now.redis.role())[0] === 'master'
      },
      patienceMs,
    )
  }
  return {
    config: { master: masterName, nodes: sentinels.map(({ port }) => `127.0.0.1:${port}`) },
    servers,
    master,
    replaced,
    async failOver() {
      const former = await master()
      const [one] = sentinels
      await until(
        'a failover begins',
        () =>
          one?.redis.call('SENTINEL', 'FAILOVER', masterName).then(
            () => true,
            () => false,
          ),
        patienceMs,
      )
      await replaced(former)
    },
    close,
  }
}

async function startServer(server: string, masterPort: number | undefined): Promise<KillableRedis> {
  const port = await freePort()
  const quick = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1']
  const replica = masterPort === undefined ? [] : ['--replicaof', `127.0.0.1 ${masterPort}`]
  return killableRedis(port, again =>
    startLocalRedis({ server, port, flags: again ? quick : [...quick, ...replica] }),
  )
}

async function startSentinel(server: string, directory: string, masterPort: number) {
  const port = await freePort()
  const file = join(directory, `sentinel-${port}.conf`)
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 6000`,
    `sentinel parallel-syncs ${masterName} 2`,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const { stop } = await startChildServer({
    file: server,
    args: [file, '--sentinel'],
    ready: /Sentinel ID is/,
    stopSignal: 'TERM',
  })
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: 40 })
  redis.on('error', () => undefined)
  return { port, redis, stop }
}
