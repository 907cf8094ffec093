import { openStage } from './stage.ts'

// A runner of the stage's own test, made to be killed: opens a stage, says what belongs to it, and waits for its end.
const stage = await openStage({ random: Math.random, redisServer: process.argv[2] ?? '' })
stage.redis.pause()
const { directory, redis, postgres } = stage
console.log(JSON.stringify({ directory, pids: [redis.pid, postgres.pid] }))
setInterval(() => undefined, 1_000)
