export { certificateSeconds, postgresCertificateSeconds } from './certificate.ts'
export {
  type Config,
  type ConfigInput,
  configSchema,
  type NamespaceConfig,
  parseConfig,
  parseRedis,
} from './config.ts'
export type { ConsoleConfig } from './config-console.ts'
export {
  isJobName,
  type JobsConfig,
  type RuleConfig,
  type RuleInput,
  ruleConfig,
  type ScheduleConfig,
  scheduleConfig,
} from './config-jobs.ts'
export { canarySeconds, type ProberConfig } from './config-prober.ts'
export type { ProjectionsConfig } from './config-projections.ts'
export type { RedisConfig } from './config-redis.ts'
export {
  type WebhookConfig,
  type WebhookInput,
  type WebhookSecrets,
  webhookConfig,
  webhookSecrets,
} from './config-webhook.ts'
export { applyEnvironment } from './environment.ts'
export { type BusKind, busKinds, ForeignMessages } from './foreign-messages.ts'
export { GatedTransaction, isConnectionError } from './gated-transaction.ts'
export { createLogger, type Logger } from './logger.ts'
export type { LoopBack } from './loopback.ts'
export { openLoopBack } from './open-loopback.ts'
export { openPubSub } from './open-pubsub.ts'
export { type Orm, ormOver } from './orm.ts'
export { connectPostgres, type PostgresOptions, type Sql, type Transaction } from './postgres.ts'
export { type MessageHandler, PubSub, type PubSubTimings, type Subscriptions } from './pubsub.ts'
export { connectRedis, type Redis, type RedisClient, type RedisRole } from './redis.ts'
export type { RedisCluster } from './redis-cluster.ts'
export { openRedis, type RedisConnection } from './redis-connection.ts'
export { isCluster, type RedisTarget, redisTarget } from './redis-target.ts'
export { RemoteClock } from './remote-clock.ts'
export { slotOf } from './slots.ts'
export { transaction } from './transaction.ts'
