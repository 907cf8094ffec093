import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../src/cli/services/free-port.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { slotCount } from '../../src/platform/slots.ts'
import { type KillableRedis, killableRedis } from './killable-redis.ts'
import { until } from './until.ts'

/** One server of a Redis Cluster; started again after a kill it has the same id. */
export interface ClusterServer extends KillableRedis {
  readonly id: string
}

export interface RedisClusterServers {
  /** For `redis.cluster` of a configuration. */
  readonly config: { readonly nodes: readonly string[] }
  readonly target: { readonly cluster: { nodes: string[]; tls: false } }
  readonly servers: readonly ClusterServer[]
  /** Who serves a slot, as `about` knows. */
  masterOf(slot: number, about?: ClusterServer): Promise<ClusterServer>
  replicaOf(master: ClusterServer): Promise<ClusterServer>
  /** Moves a slot with its keys, as `redis-cli --cluster reshard` does; `during` runs while it is on the move. */
  moveSlot(slot: number, to: ClusterServer, during?: () => Promise<void>): Promise<void>
  /** Waits until all servers that run agree that every slot is served. */
  whole(): Promise<void>
  close(): Promise<void>
}

export interface ClusterSize {
  readonly masters: number
  /** Of each master. */
  readonly replicas: number
}

/** Short, so that a replica takes over soon; long enough for a machine that is busy for a moment. */
const nodeTimeoutMs = 1_500

/** Servers of a Redis Cluster without persistence, in a folder and on ports of their own. */
export async function startRedisCluster(
  server: string,
  { masters, replicas }: ClusterSize = { masters: 3, replicas: 1 },
): Promise<RedisClusterServers> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-cluster-'))
  const made: Made[] = await Promise.all(
    Array.from({ length: masters * (1 + replicas) }, () => startServer(server, directory)),
  )
  const close = async () => {
    for (const { redis, goOn } of made) {
      goOn()
      redis.disconnect()
    }
    await Promise.all(made.map(each => each.stop()))
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await meet(made, masters)
  } catch (error) {
    await close()
    throw error
  }
  const nodes = made.slice(0, masters).map(({ port }) => `127.0.0.1:${port}`)
  const byId = (id: string | undefined) => {
    const found = made.find(each => each.id === id)
    if (!found) throw new Error(`no server of the cluster has the id ${id}`)
    return found
  }
  const whole = async () => {
    await until('the cluster is whole', async () => {
      const states = await Promise.all(running(made).map(stateOf))
      return states.every(state => state.ok && state.served === slotCount)
    })
  }
  const masterOf: RedisClusterServers['masterOf'] = async (slot, about = running(made)[0]) => {
    const rows = (await about?.redis.cluster('SLOTS')) ?? []
    return byId(rows.find(([from, to]) => from <= slot && slot <= to)?.[2]?.[2])
  }
  return {
    config: { nodes },
    target: { cluster: { nodes, tls: false } },
    servers: made,
    masterOf,
    whole,
    async replicaOf(master) {
      const text = `${await master.redis.cluster('NODES')}`
      const line = text.split('\n').find(each => each.split(' ')[3] === master.id)
      return byId(line?.split(' ')[0])
    },
    async moveSlot(slot, to, during) {
      const from = await masterOf(slot)
      await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id)
      await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id)
      await moveKeys(slot, from, to)
      await during?.()
      await moveKeys(slot, from, to)
      for (const each of [to, from, ...running(made).filter(other => other !== to && other !== from)])
        await each.redis.cluster('SETSLOT', slot, 'NODE', to.id).catch(() => undefined)
    },
    close,
  }
}

interface Made extends ClusterServer {
  id: string
  readonly busPort: number
}

const running = (servers: readonly Made[]) => servers.filter(each => each.running)

async function startServer(server: string, directory: string): Promise<Made> {
  const [port, busPort] = [await freePort(), await freePort()]
  const flags = ['--cluster-enabled', 'yes', '--cluster-config-file', join(directory, `nodes-${port}.conf`)]
  flags.push('--cluster-port', `${busPort}`, '--cluster-node-timeout', `${nodeTimeoutMs}`)
  // A replica that has not heard of its master for a while may take over all the same: it is all there is.
  flags.push('--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0')
  const made = await killableRedis(port, () => startLocalRedis({ server, port, flags }))
  return Object.assign(made, { busPort, id: `${await made.redis.cluster('MYID')}` })
}

async function meet(servers: readonly Made[], masters: number): Promise<void> {
  const [first] = servers
  const share = Math.ceil(slotCount / masters)
  for (const [i, { redis }] of servers.entries()) {
    await redis.cluster('SET-CONFIG-EPOCH', i + 1)
    if (i < masters) await redis.cluster('ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, slotCount) - 1)
  }
  const allKnow = async () => {
    // A server that is too busy to answer in time is forgotten again.
    const known = `${await first?.redis.cluster('NODES')}`
    for (const { id, port, busPort } of servers)
      if (!known.includes(id)) await first?.redis.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort)
    const states = await Promise.all(servers.map(stateOf))
    return states.every(state => state.ok && state.known === servers.length)
  }
  await until('all servers know each other', allKnow)
  for (const [i, { redis }] of servers.entries())
    if (i >= masters) await redis.cluster('REPLICATE', servers[i % masters]?.id ?? '')
  await until('all replicas follow their masters', async () => {
    const infos = await Promise.all(servers.slice(masters).map(({ redis }) => redis.info('replication')))
    return infos.every(info => info.includes('master_link_status:up'))
  })
  await until('the masters know their replicas', async () => {
    const rows = await Promise.all(servers.map(({ redis }) => redis.cluster('SLOTS')))
    const each = servers.length / masters
    return rows.every(row => (row as unknown[][]).every(range => range.length === 2 + each))
  })
}

async function stateOf({ redis }: Made): Promise<{ ok: boolean; known: number; served: number }> {
  const info = `${await redis.cluster('INFO').catch(() => '')}`
  const value = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1] ?? 0)
  return {
    ok: info.includes('cluster_state:ok'),
    known: value('cluster_known_nodes'),
    served: value('cluster_slots_ok'),
  }
}

async function moveKeys(slot: number, from: ClusterServer, to: ClusterServer): Promise<void> {
  for (;;) {
    const keys = (await from.redis.cluster('GETKEYSINSLOT', slot, 100)) as string[]
    if (keys.length === 0) return
    await from.redis.migrate('127.0.0.1', to.port, '', 0, 5_000, 'REPLACE', 'KEYS', ...keys)
  }
}
