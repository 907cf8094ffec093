import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** Redis, Postgres, and the breakers before them. */
export function dependencyAlerts(time: Time): Group<Alert> {
  return { name: 'holdfast-dependencies', rules: [...breakers(time), ...redis(time), ...postgres(time)] }
}

function breakers(time: Time): Alert[] {
  return [
    {
      alert: 'HoldfastBreakerOpen',
      severity: 'page',
      // While a dependency is away its breaker goes to and fro between rejecting and probing.
      expr: 'max by (role, instance) (holdfast_breaker_state{state!="passing"}) == 1',
      for: time.span('1m'),
      summary: '{{ $labels.instance }} has no {{ $labels.role }}',
      description: 'The breaker of {{ $labels.role }} on {{ $labels.instance }} does not let calls pass.',
    },
    {
      alert: 'HoldfastBreakerFlaps',
      severity: 'ticket',
      expr: `sum by (role, instance) (increase(holdfast_breaker_changes_total{state="passing"}[${time.span('15m')}])) > ${time.count(3)}`,
      summary: '{{ $labels.role }} comes and goes on {{ $labels.instance }}',
      description: 'Its breaker has closed {{ $value | humanize }} times in 15 minutes.',
    },
    {
      alert: 'HoldfastBreakersDisagree',
      severity: 'ticket',
      expr: 'min by (role) (holdfast_breaker_state{state="passing"}) == 0 and max by (role) (holdfast_breaker_state{state="passing"}) == 1',
      for: time.span('2m'),
      summary: 'Some nodes reach {{ $labels.role }} and some do not',
      description: 'Their clients are alone in the realtime tier, or read the ledger for themselves.',
    },
  ]
}

function redis(time: Time): Alert[] {
  return [
    {
      alert: 'HoldfastRedisSlow',
      severity: 'ticket',
      expr: 'max by (role, instance) (holdfast_redis_rtt) > 0.1',
      for: time.span('2m'),
      summary: 'Redis ({{ $labels.role }}) answers {{ $labels.instance }} slowly',
      description: 'A ping takes {{ $value | humanizeDuration }}.',
    },
    {
      alert: 'HoldfastRedisMemory',
      severity: 'page',
      expr: 'max by (role) (holdfast_redis_memory_used / holdfast_redis_memory_limit) > 0.85',
      for: time.span('5m'),
      summary: 'Redis ({{ $labels.role }}) is nearly full',
      description: '{{ $value | humanizePercentage }} of maxmemory is used.',
    },
    {
      // Without a limit nothing says how full it is, until the machine ends it.
      alert: 'HoldfastRedisUnlimited',
      severity: 'ticket',
      expr: 'max by (role) (holdfast_redis_memory_used) unless max by (role) (holdfast_redis_memory_limit)',
      for: time.span('1h'),
      summary: 'Redis ({{ $labels.role }}) has no memory limit',
      description: 'It uses {{ $value | humanize1024 }}B, and no alert will say that it is nearly full.',
    },
    {
      alert: 'HoldfastRedisEvicts',
      severity: 'ticket',
      expr: `max by (role) (increase(holdfast_redis_evicted_total[${time.span('15m')}])) > 0`,
      summary: 'Redis ({{ $labels.role }}) throws keys away',
      description: '{{ $value | humanize }} keys in 15 minutes.',
    },
    {
      alert: 'HoldfastRedisPolicy',
      severity: 'ticket',
      expr: 'max by (policy) (holdfast_redis_policy{role="jobs",policy!="noeviction"}) == 1',
      for: time.span('10m'),
      summary: 'Jobs lie in a Redis that may throw them away',
      description: 'Its maxmemory-policy is {{ $labels.policy }}; BullMQ wants noeviction.',
    },
    {
      alert: 'HoldfastRedisCutsConnections',
      severity: 'ticket',
      expr: `max by (role) (increase(holdfast_redis_output_buffer_kills_total[${time.span('15m')}])) > 0`,
      summary: 'Redis ({{ $labels.role }}) cuts connections that read too slowly',
      description: '{{ $value | humanize }} in 15 minutes, by client-output-buffer-limit.',
    },
  ]
}

function postgres(time: Time): Alert[] {
  return [
    {
      alert: 'HoldfastCommitsSlow',
      severity: 'page',
      expr: 'holdfast:append_commit_duration:p99_5m > 0.5',
      for: time.span('5m'),
      summary: 'Commits of the ledger are slow',
      description: 'One in a hundred takes {{ $value | humanizeDuration }} or longer.',
    },
    {
      alert: 'HoldfastPostgresPoolWaits',
      severity: 'ticket',
      expr: 'sum by (pool, instance) (holdfast_postgres_pool_waiting) > 10',
      for: time.span('5m'),
      summary: 'Statements of {{ $labels.instance }} wait for a connection to Postgres',
      description: '{{ $value | humanize }} wait in the pool {{ $labels.pool }}.',
    },
    {
      alert: 'HoldfastPostgresConnections',
      severity: 'ticket',
      expr: 'max(holdfast_postgres_connections{state="used"} / ignoring (state) holdfast_postgres_connections{state="limit"}) > 0.85',
      for: time.span('5m'),
      summary: 'Postgres has few connections left',
      description: '{{ $value | humanizePercentage }} of max_connections are taken.',
    },
    {
      alert: 'HoldfastStandbyLags',
      severity: 'page',
      expr: `max by (standby) (holdfast_postgres_standby_lag) > ${time.seconds(30)}`,
      for: time.span('5m'),
      summary: 'The standby {{ $labels.standby }} is behind',
      description:
        'By {{ $value | humanizeDuration }}: what a failover now would lose, where it is asynchronous.',
    },
    {
      // The lag in seconds is what the standby last said: of one that hangs it stands still.
      alert: 'HoldfastStandbyFarBehind',
      severity: 'ticket',
      expr: 'max by (standby) (holdfast_postgres_standby_lag_size) > 1e9',
      for: time.span('15m'),
      summary: 'The standby {{ $labels.standby }} has much to replay',
      description: '{{ $value | humanize1024 }}B.',
    },
    {
      // Postgres forgets a standby that is cut off, and its lag with it. Copies of single tables are made by others, which come and go.
      alert: 'HoldfastStandbyGone',
      severity: 'page',
      expr: `max by (standby) (present_over_time(holdfast_postgres_standby_lag_size{standby!~"pg_[0-9]+_sync_.+"}[${time.span('6h')}])) unless max by (standby) (holdfast_postgres_standby_lag_size) and on () max(holdfast_postgres_rtt)`,
      for: time.span('5m'),
      summary: 'The standby {{ $labels.standby }} is gone',
      description: 'It was there within the last six hours. What is recorded now, it does not have.',
    },
    {
      alert: 'HoldfastDeadRows',
      severity: 'ticket',
      expr: 'max by (table) (holdfast_postgres_dead_tuples > 100000 and holdfast_postgres_dead_tuples > 0.5 * holdfast_postgres_live_tuples)',
      for: time.span('1h'),
      summary: 'The table {{ $labels.table }} is not vacuumed',
      description: '{{ $value | humanize }} rows of it are dead.',
    },
    {
      alert: 'HoldfastOldTransaction',
      severity: 'ticket',
      expr: `max(holdfast_postgres_transaction_age) > ${time.seconds(3_600)}`,
      for: time.span('5m'),
      summary: 'A transaction has been open for long in Postgres',
      description: 'For {{ $value | humanizeDuration }}: nothing that died since can be vacuumed.',
    },
    {
      alert: 'HoldfastLedgerGrows',
      severity: 'ticket',
      expr: `max(predict_linear(holdfast_postgres_size[${time.span('6h')}], 4 * 86400)) > 2 * max(holdfast_postgres_size) and max(holdfast_postgres_size) > 10e9`,
      for: time.span('1h'),
      summary: 'The database doubles within four days',
      description: 'It will have {{ $value | humanize1024 }}B then, if it goes on like this.',
    },
  ]
}
