import type { ClusterConfig, RedisConfig, SentinelConfig, TlsConfig } from './config-redis.ts'

/** Where a Redis is: its URL, the sentinels that know its master, or some nodes of a Cluster. */
export type RedisTarget = string | { readonly sentinel: SentinelConfig } | { readonly cluster: ClusterConfig }

/** The Redis of a role; undefined where none is configured. */
export function redisTarget(redis: RedisConfig, role: 'bus' | 'log' | 'jobs'): RedisTarget | undefined {
  const { url, sentinel, cluster } = redis[role] ?? redis
  if (url !== undefined) return url
  if (sentinel) return { sentinel }
  return cluster && { cluster }
}

/** Whether channels and keys are spread over slots there. */
export function isCluster(target: RedisTarget | undefined): target is { readonly cluster: ClusterConfig } {
  return typeof target === 'object' && 'cluster' in target
}

/** `host`, `host:port`, `[::1]:port`. */
export function addressOf(text: string, defaultPort: number): { host: string; port: number } {
  const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? []
  return { host: host.replace(/^\[|\]$/g, ''), port: port === undefined ? defaultPort : Number(port) }
}

/** For ioredis, whose keys are `host:port` too. */
export function natMapOf(natMap: Readonly<Record<string, string>> | undefined, defaultPort: number) {
  if (!natMap) return undefined
  return Object.fromEntries(
    Object.entries(natMap).map(([from, to]) => {
      const { host, port } = addressOf(from, defaultPort)
      return [`${host}:${port}`, addressOf(to, defaultPort)]
    }),
  )
}

export function tlsOf(tls: TlsConfig): Exclude<TlsConfig, boolean> | undefined {
  if (tls === false) return undefined
  return tls === true ? {} : tls
}
