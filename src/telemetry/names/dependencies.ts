import type { MetricName } from './metric-name.ts'

/** Dependencies. */
export const dependencyMetrics = {
  breakerState: {
    name: 'holdfast.breaker.state',
    type: 'gauge',
    unit: '{breaker}',
    labels: ['role', 'state'],
    description:
      'Whether the breaker of `role` (`bus`, `log`, `jobs`, `ledger`) is in `state` (`passing`, `rejecting`, `probing`): 1 for one of them.',
  },
  breakerChanges: {
    name: 'holdfast.breaker.changes',
    type: 'counter',
    unit: '{change}',
    labels: ['role', 'state'],
    description: 'How often the breaker of `role` has entered `state`; counted by this process.',
  },
  breakerRejected: {
    name: 'holdfast.breaker.rejected',
    type: 'counter',
    unit: '{call}',
    labels: ['role'],
    description:
      'Calls that the breaker of `role` has refused at once, so that nobody waits for what is away; counted by this process.',
  },
  breakerProbes: {
    name: 'holdfast.breaker.probes',
    type: 'counter',
    unit: '{probe}',
    labels: ['role', 'outcome'],
    description:
      'Signs of life that the breaker of `role` has asked for, by `outcome` (`succeeded`, `failed`); counted by this process.',
  },
  redisRtt: {
    name: 'holdfast.redis.rtt',
    type: 'gauge',
    unit: 's',
    labels: ['role'],
    description: 'How long a ping of Redis has taken from this node, by `role` (`bus`, `log`, `jobs`).',
  },
  redisMemoryUsed: {
    name: 'holdfast.redis.memory.used',
    type: 'gauge',
    unit: 'By',
    labels: ['role'],
    description: 'Memory that Redis uses, by `role`; of a Cluster that of its fullest master.',
  },
  redisMemoryLimit: {
    name: 'holdfast.redis.memory.limit',
    type: 'gauge',
    unit: 'By',
    labels: ['role'],
    description: 'Memory that Redis may use (`maxmemory`), by `role`; left out where it has no limit.',
  },
  redisEvicted: {
    name: 'holdfast.redis.evicted',
    type: 'counter',
    unit: '{key}',
    labels: ['role'],
    description: 'Keys that Redis has evicted for want of memory since it began, by `role`.',
  },
  redisPolicy: {
    name: 'holdfast.redis.policy',
    type: 'gauge',
    unit: '1',
    labels: ['role', 'policy'],
    description: '1 for the eviction `policy` that Redis has, by `role`.',
  },
  redisClients: {
    name: 'holdfast.redis.clients',
    type: 'gauge',
    unit: '{connection}',
    labels: ['role'],
    description: 'Connections that Redis has, by `role`.',
  },
  redisOutputBufferKills: {
    name: 'holdfast.redis.output_buffer_kills',
    type: 'counter',
    unit: '{connection}',
    labels: ['role'],
    description:
      'Connections that Redis has cut because too much waited for them, since it began, by `role`; left out where the server does not count them.',
  },
  postgresRtt: {
    name: 'holdfast.postgres.rtt',
    type: 'gauge',
    unit: 's',
    labels: [],
    description: 'How long a smallest statement has taken from this node.',
  },
  postgresPoolConnections: {
    name: 'holdfast.postgres.pool.connections',
    type: 'gauge',
    unit: '{connection}',
    labels: ['pool', 'state'],
    description:
      'Connections of this node to Postgres, by `pool` and `state`: `busy`, or `limit` (how many there may be).',
  },
  postgresPoolWaiting: {
    name: 'holdfast.postgres.pool.waiting',
    type: 'gauge',
    unit: '{statement}',
    labels: ['pool'],
    description: 'Statements of this node that wait for a connection, by `pool`.',
  },
  postgresConnections: {
    name: 'holdfast.postgres.connections',
    type: 'gauge',
    unit: '{connection}',
    labels: ['state'],
    description: 'Connections of the Postgres server, by `state`: `used` by anybody, or `limit`.',
  },
  postgresSize: {
    name: 'holdfast.postgres.size',
    type: 'gauge',
    unit: 'By',
    labels: [],
    description: 'Size of the database.',
  },
  postgresTableSize: {
    name: 'holdfast.postgres.table.size',
    type: 'gauge',
    unit: 'By',
    labels: ['table'],
    description: 'Size of Holdfast’s tables with their indexes, by `table`.',
  },
  postgresLiveTuples: {
    name: 'holdfast.postgres.live_tuples',
    type: 'gauge',
    unit: '{row}',
    labels: ['table'],
    description: 'Rows of Holdfast’s tables, as Postgres estimates, by `table`.',
  },
  postgresDeadTuples: {
    name: 'holdfast.postgres.dead_tuples',
    type: 'gauge',
    unit: '{row}',
    labels: ['table'],
    description:
      'Rows of Holdfast’s tables that are dead and not vacuumed yet, as Postgres estimates, by `table`.',
  },
  postgresTransactionAge: {
    name: 'holdfast.postgres.transaction.age',
    type: 'gauge',
    unit: 's',
    labels: [],
    description:
      'Age of the oldest transaction of the database, which keeps dead rows from being vacuumed; of other users’ only with pg_monitor.',
  },
  postgresStandbyLag: {
    name: 'holdfast.postgres.standby.lag',
    type: 'gauge',
    unit: 's',
    labels: ['standby'],
    description:
      'How far a `standby` (its application_name) was behind by its last word: it stands still while the standby hangs, and ends with its connection; left out where the role may not see it (pg_monitor).',
  },
  postgresStandbyLagSize: {
    name: 'holdfast.postgres.standby.lag.size',
    type: 'gauge',
    unit: 'By',
    labels: ['standby'],
    description:
      'What a `standby` has not replayed yet; it grows while that hangs, and ends with its connection.',
  },
  jwksAge: {
    name: 'holdfast.jwks.age',
    type: 'gauge',
    unit: 's',
    labels: [],
    description:
      'Since when the keys for tokens (`auth.token.jwksUrl`) have been as they are: the last successful fetch.',
  },
  jwksFetches: {
    name: 'holdfast.jwks.fetches',
    type: 'counter',
    unit: '{fetch}',
    labels: ['outcome'],
    description: 'Fetches of the keys for tokens by this process, by `outcome` (`succeeded`, `failed`).',
  },
  certificateExpiry: {
    name: 'holdfast.certificate.expiry',
    type: 'gauge',
    unit: 's',
    labels: ['dependency'],
    description:
      'How long the certificate is still valid that a `dependency` (`redis/bus`, `redis/log`, `redis/jobs`, `postgres`) showed last, or this node’s own `listener` to its canary; only where TLS is used. `holdfast serve` speaks no TLS, which is for a proxy before it, whose certificate nobody here sees; an application’s HTTPS server with `attach` does.',
  },
} as const satisfies Record<string, MetricName>
