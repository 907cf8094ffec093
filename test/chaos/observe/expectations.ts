import type { Alert } from '../../../observability/rules/rule.ts'

/** What an operator sees of a fault. */
export interface Expectation {
  /** `Board › Panel`. */
  readonly panel: string
  readonly alert: Alert['alert']
  /** Of several rules of that name. */
  readonly labels?: Readonly<Record<string, string>>
}

const breakers = 'Dependencies and breaker › Breakers'
const redisAway: Expectation = { panel: breakers, alert: 'HoldfastBreakerOpen' }
const ledgerAway: Expectation = { panel: 'Durable tier › Ledger', alert: 'HoldfastLedgerUnavailable' }
const resubscribed: Expectation = {
  panel: 'Realtime tier › Subscriptions made again at Redis',
  alert: 'HoldfastResubscribes',
}
const processGone: Expectation = { panel: 'Overview › Processes', alert: 'HoldfastNodeDown' }
const groupsWait: Expectation = {
  panel: 'Durable tier › Groups: seconds behind',
  alert: 'HoldfastGroupLags',
}
const clockWrong: Expectation = { panel: 'Realtime tier › Clocks', alert: 'HoldfastClockWrong' }

/** By the fault's name. */
export const expectations: Readonly<Record<string, Expectation>> = {
  'redis-restarts-empty': redisAway,
  'redis-restarts': redisAway,
  'redis-restarts-older': redisAway,
  'redis-restarts-truncated': redisAway,
  'redis-flushed': { panel: 'Realtime tier › Subscriptions begun anew', alert: 'HoldfastResyncs' },
  'redis-hangs': redisAway,
  'redis-cut': redisAway,
  'redis-reset': resubscribed,
  'redis-deaf': redisAway,
  'redis-mute': redisAway,
  'redis-swallowed': redisAway,
  'redis-subscribers-mute': resubscribed,
  'redis-slow': { panel: 'Dependencies and breaker › Redis: time of a ping', alert: 'HoldfastRedisSlow' },
  'redis-very-slow': redisAway,
  'redis-narrow': { panel: 'Dependencies and breaker › Redis: time of a ping', alert: 'HoldfastRedisSlow' },
  'redis-out-of-memory': {
    panel: 'Dependencies and breaker › Redis: memory',
    alert: 'HoldfastRedisMemory',
  },
  'redis-read-only': { panel: 'Realtime tier › Signals without a number', alert: 'HoldfastNoNumbers' },
  'redis-kicks-subscribers': resubscribed,
  'redis-mix': resubscribed,
  'redis-fails-over-to-lagging-replica': resubscribed,
  'postgres-restarts': {
    panel: 'Durable tier › Events recorded',
    alert: 'HoldfastPublishBudgetBurns',
    labels: { short: '30m', tier: 'durable' },
  },
  'postgres-killed': ledgerAway,
  'postgres-frozen': ledgerAway,
  'postgres-cut': ledgerAway,
  'postgres-hears-nothing': ledgerAway,
  'postgres-says-nothing': ledgerAway,
  'postgres-has-no-connection-left': ledgerAway,
  'postgres-disk-full': ledgerAway,
  'node-killed': processGone,
  'node-stopped': processGone,
  'node-frozen': processGone,
  'nodes-killed': processGone,
  'worker-killed': { panel: 'Overview › Uptime', alert: 'HoldfastNodeDown' },
  'worker-frozen': processGone,
  'workers-killed': groupsWait,
  'clients-stop-reading': { panel: 'Realtime tier › Slow consumers cut', alert: 'HoldfastSlowConsumers' },
  'clients-half-open': { panel: 'Realtime tier › Disconnects', alert: 'HoldfastClientsVanish' },
  'clients-come-back-at-once': {
    panel: 'Overview › Connects and disconnects',
    alert: 'HoldfastReconnectStorm',
  },
  'node-clock-forward': clockWrong,
  'node-clock-back': clockWrong,
  'worker-clock-forward': clockWrong,
  'everything-mix': redisAway,
}
