import { type Case, one } from './alert-case.ts'

export const dependencyCases: readonly Case[] = [
  {
    // A breaker that goes to and fro between rejecting and probing is open all the time.
    alert: 'HoldfastBreakerOpen',
    minutes: 4,
    fires: {
      'holdfast_breaker_state{role="bus",instance="a",state="passing"}': '1 0x10',
      'holdfast_breaker_state{role="bus",instance="a",state="rejecting"}': '0 1 0 1 0 1 0 1',
      'holdfast_breaker_state{role="bus",instance="a",state="probing"}': '0 0 1 0 1 0 1 0',
    },
    quiet: { 'holdfast_breaker_state{role="bus",instance="a",state="passing"}': '1x10' },
  },
  one(
    'HoldfastBreakerFlaps',
    'holdfast_breaker_changes_total{role="bus",instance="a",state="passing"}',
    '0+1x15',
    '0 1x15',
    12,
  ),
  {
    alert: 'HoldfastBreakersDisagree',
    minutes: 6,
    fires: {
      'holdfast_breaker_state{role="bus",instance="a",state="passing"}': '0x10',
      'holdfast_breaker_state{role="bus",instance="b",state="passing"}': '1x10',
    },
    quiet: {
      'holdfast_breaker_state{role="bus",instance="a",state="passing"}': '0x10',
      'holdfast_breaker_state{role="bus",instance="b",state="passing"}': '0x10',
    },
  },
  one('HoldfastRedisSlow', 'holdfast_redis_rtt{role="log",instance="a"}', '0.3x10', '0.001x10', 5),
  {
    alert: 'HoldfastRedisMemory',
    minutes: 8,
    fires: {
      'holdfast_redis_memory_used{role="log"}': '90x10',
      'holdfast_redis_memory_limit{role="log"}': '100x10',
    },
    quiet: {
      'holdfast_redis_memory_used{role="log"}': '50x10',
      'holdfast_redis_memory_limit{role="log"}': '100x10',
    },
  },
  {
    alert: 'HoldfastRedisUnlimited',
    minutes: 70,
    fires: {
      'holdfast_redis_memory_used{role="log"}': '50x80',
      'holdfast_redis_memory_used{role="bus"}': '50x80',
      'holdfast_redis_memory_limit{role="bus"}': '100x80',
    },
    quiet: {
      'holdfast_redis_memory_used{role="log"}': '99x80',
      'holdfast_redis_memory_limit{role="log"}': '100x80',
    },
  },
  one('HoldfastRedisEvicts', 'holdfast_redis_evicted_total{role="log"}', '0 50x10', '50x10', 5),
  {
    alert: 'HoldfastRedisPolicy',
    minutes: 15,
    fires: { 'holdfast_redis_policy{role="jobs",policy="allkeys-lru"}': '1x20' },
    quiet: {
      'holdfast_redis_policy{role="jobs",policy="noeviction"}': '1x20',
      'holdfast_redis_policy{role="log",policy="allkeys-lru"}': '1x20',
    },
  },
  one(
    'HoldfastRedisCutsConnections',
    'holdfast_redis_output_buffer_kills_total{role="bus"}',
    '0 2x10',
    '2x10',
    5,
  ),
  {
    alert: 'HoldfastCommitsSlow',
    minutes: 12,
    fires: {
      'holdfast_append_commit_duration_bucket{outcome="committed",le="0.5"}': '0+50x20',
      'holdfast_append_commit_duration_bucket{outcome="committed",le="1"}': '0+100x20',
      'holdfast_append_commit_duration_bucket{outcome="committed",le="+Inf"}': '0+100x20',
    },
    quiet: {
      'holdfast_append_commit_duration_bucket{outcome="committed",le="0.5"}': '0+100x20',
      'holdfast_append_commit_duration_bucket{outcome="committed",le="1"}': '0+100x20',
      'holdfast_append_commit_duration_bucket{outcome="committed",le="+Inf"}': '0+100x20',
    },
  },
  one(
    'HoldfastPostgresPoolWaits',
    'holdfast_postgres_pool_waiting{pool="reads",instance="a"}',
    '40x10',
    '2x10',
    8,
  ),
  {
    alert: 'HoldfastPostgresConnections',
    minutes: 8,
    fires: {
      'holdfast_postgres_connections{state="used"}': '90x10',
      'holdfast_postgres_connections{state="limit"}': '100x10',
    },
    quiet: {
      'holdfast_postgres_connections{state="used"}': '40x10',
      'holdfast_postgres_connections{state="limit"}': '100x10',
    },
  },
  one('HoldfastStandbyLags', 'holdfast_postgres_standby_lag{standby="s"}', '0+60x20', '1x20', 12),
  one('HoldfastStandbyFarBehind', 'holdfast_postgres_standby_lag_size{standby="s"}', '2e9x30', '2e6x30', 20),
  {
    alert: 'HoldfastStandbyGone',
    minutes: 40,
    fires: {
      'holdfast_postgres_standby_lag_size{standby="s"}': '0x20 stale _x30',
      'holdfast_postgres_standby_lag_size{standby="other"}': '0x50',
      holdfast_postgres_rtt: '0.001x50',
    },
    // Both are there; and one that copied a table is done.
    quiet: {
      'holdfast_postgres_standby_lag_size{standby="s"}': '0x50',
      'holdfast_postgres_standby_lag_size{standby="pg_16399_sync_16385_7"}': '0x20 stale _x30',
      holdfast_postgres_rtt: '0.001x50',
    },
  },
  {
    // Postgres itself is away, or the standby since yesterday.
    alert: 'HoldfastStandbyGone',
    minutes: 420,
    fires: {
      'holdfast_postgres_standby_lag_size{standby="s"}': '_x390 0x10 stale _x40',
      holdfast_postgres_rtt: '0.001x430',
    },
    quiet: {
      'holdfast_postgres_standby_lag_size{standby="s"}': '0x20 stale _x400',
      'holdfast_postgres_standby_lag_size{standby="other",instance="a"}': '_x390 0x10 stale _x40',
      'holdfast_postgres_rtt{instance="a"}': '0.001x400 stale _x30',
    },
  },
  {
    alert: 'HoldfastDeadRows',
    minutes: 80,
    fires: {
      'holdfast_postgres_dead_tuples{table="deliveries"}': '900000x100',
      'holdfast_postgres_live_tuples{table="deliveries"}': '100000x100',
    },
    quiet: {
      'holdfast_postgres_dead_tuples{table="deliveries"}': '900000x100',
      'holdfast_postgres_live_tuples{table="deliveries"}': '10000000x100',
    },
  },
  one('HoldfastOldTransaction', 'holdfast_postgres_transaction_age', '0+60x100', '10x100', 80),
  {
    // A Postgres whose disk is 98 % full, mounted in two places; and a machine that is none of ours.
    alert: 'HoldfastDiskFull',
    minutes: 5,
    fires: {
      [disk('avail', '/')]: '2x10',
      [disk('size', '/')]: '100x10',
      [disk('avail', '/var/lib')]: '2x10',
      [disk('size', '/var/lib')]: '100x10',
    },
    quiet: {
      [disk('avail', '/')]: '4x10',
      [disk('size', '/')]: '100x10',
      [disk('avail', '/', 'elsewhere')]: '2x10',
      [disk('size', '/', 'elsewhere')]: '100x10',
    },
  },
  {
    alert: 'HoldfastDiskFills',
    minutes: 35,
    fires: { [disk('avail', '/')]: '9x40', [disk('size', '/')]: '100x40' },
    quiet: { [disk('avail', '/')]: '11x40', [disk('size', '/')]: '100x40' },
  },
  {
    // What is left goes in 16 hours, or in two days.
    alert: 'HoldfastDiskFills',
    minutes: 480,
    fires: { [disk('avail', '/')]: '19200-12x490', [disk('size', '/')]: '40000x490' },
    quiet: { [disk('avail', '/')]: '19200-5x490', [disk('size', '/')]: '40000x490' },
  },
  one('HoldfastLedgerGrows', 'holdfast_postgres_size', '20000000000+10000000x500', '20000000000x500', 480),
]

function disk(what: 'avail' | 'size', mountpoint: string, job = 'holdfast-machine'): string {
  const labels = { job, instance: 'a', device: '/dev/sda1', fstype: 'ext4', mountpoint }
  return `node_filesystem_${what}_bytes{${Object.entries(labels).map(([name, value]) => `${name}="${value}"`)}}`
}
