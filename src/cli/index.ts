// What others of this package may start on this machine; commands have no door, they are called by name.
export { redisInstallCommand } from './services/install-redis.ts'
export { type LocalPostgres, startLocalPostgres } from './services/local-postgres.ts'
export { findRedisServer, type LocalRedis, startLocalRedis } from './services/local-redis.ts'
