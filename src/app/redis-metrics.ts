import {
  createLogger,
  openRedis,
  type Redis,
  type RedisConfig,
  type RedisConnection,
  redisTarget,
  certificateSeconds as validSeconds,
} from '../platform/index.ts'
import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'

const roles = ['bus', 'log', 'jobs'] as const
type Role = (typeof roles)[number]

/** One Redis, for whatever it is used, over a connection of its own: a role's own would answer for its guard too. */
interface Watched {
  readonly connection: RedisConnection
  readonly roles: readonly Role[]
}

/**
 * How the Redis of each role fares, as it says itself. Returns what closes the connections, one for each Redis.
 */
export function registerRedisMetrics(
  telemetry: Metrics,
  { redis, node }: { readonly redis: RedisConfig; readonly node: string },
): () => void {
  const byTarget = new Map<string, Role[]>()
  for (const role of roles) {
    const target = redisTarget(redis, role)
    if (target === undefined) continue
    const key = JSON.stringify(target)
    byTarget.set(key, [...(byTarget.get(key) ?? []), role])
  }
  const closing: (() => void)[] = []
  for (const own of byTarget.values()) {
    const target = own[0] && redisTarget(redis, own[0])
    if (target === undefined) continue
    // That it is away is told by those who need it.
    const connection = openRedis(target, 'command', `holdfast-metrics-${node}`, createLogger('silent'))
    closing.push(() => connection.close())
    register(telemetry, { connection, roles: own })
  }
  return () => {
    for (const close of closing) close()
  }
}

function register(telemetry: Metrics, { connection, roles: own }: Watched): void {
  const { redisRtt, redisMemoryUsed, redisMemoryLimit, redisEvicted, redisPolicy, redisClients } = metrics
  const { redisOutputBufferKills, certificateExpiry } = metrics
  const names = [redisRtt, redisMemoryUsed, redisMemoryLimit, redisEvicted, redisPolicy, redisClients]
  telemetry.shared([...names, redisOutputBufferKills, certificateExpiry], async () => {
    const servers = await Promise.all(connection.masters().map(readServer))
    if (servers.length === 0) throw new Error('no Redis answers')
    const fullest = servers.reduce((one, other) => (fullness(other) > fullness(one) ? other : one))
    const sum = (of: (server: ServerReading) => number) => servers.reduce((all, each) => all + of(each), 0)
    const kills = servers.flatMap(({ outputBufferKills = [] }) => outputBufferKills)
    const expiries = servers.flatMap(({ certificateSeconds = [] }) => certificateSeconds)
    return own.flatMap((role): Reading[] => {
      const attributes = { role }
      return [
        { metric: redisRtt, value: Math.max(...servers.map(({ rtt }) => rtt)), attributes },
        { metric: redisMemoryUsed, value: fullest.used, attributes },
        ...(fullest.limit > 0 ? [{ metric: redisMemoryLimit, value: fullest.limit, attributes }] : []),
        { metric: redisEvicted, value: sum(({ evicted }) => evicted), attributes },
        { metric: redisPolicy, value: 1, attributes: { role, policy: fullest.policy } },
        { metric: redisClients, value: sum(({ clients }) => clients), attributes },
        ...(kills.length > 0
          ? [{ metric: redisOutputBufferKills, value: kills.reduce((all, one) => all + one, 0), attributes }]
          : []),
        ...(expiries.length > 0
          ? [
              {
                metric: certificateExpiry,
                value: Math.min(...expiries),
                attributes: { dependency: `redis/${role}` },
              },
            ]
          : []),
      ]
    })
  })
}

interface ServerReading {
  /** Seconds. */
  readonly rtt: number
  /** Bytes; the limit is 0 where there is none. */
  readonly used: number
  readonly limit: number
  readonly evicted: number
  readonly policy: string
  readonly clients: number
  readonly outputBufferKills: number | undefined
  readonly certificateSeconds: number | undefined
}

async function readServer(server: Redis): Promise<ServerReading> {
  const sentAt = performance.now()
  await server.ping()
  const rtt = (performance.now() - sentAt) / 1_000
  const fields = new Map<string, string>()
  for (const line of (await server.info()).split('\r\n')) {
    const [name = '', value] = line.split(':', 2)
    if (value !== undefined) fields.set(name, value)
  }
  const count = (name: string) => Number(fields.get(name) ?? 0)
  const kills = fields.get('client_output_buffer_limit_disconnections')
  return {
    rtt,
    used: count('used_memory'),
    limit: count('maxmemory'),
    evicted: count('evicted_keys'),
    policy: fields.get('maxmemory_policy') ?? 'unknown',
    clients: count('connected_clients'),
    outputBufferKills: kills === undefined ? undefined : Number(kills),
    certificateSeconds: validSeconds(server.stream),
  }
}

/** Without limits the one that uses most. */
function fullness({ used, limit }: ServerReading): number {
  return limit > 0 ? used / limit : used / Number.MAX_SAFE_INTEGER
}
