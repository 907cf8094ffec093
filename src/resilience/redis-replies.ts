import type { Blame } from './guard-options.ts'

/** Redis does not serve anybody: for now, and whatever is asked. (TRYAGAIN is about a slot on the move, and no other.) */
const notServing = /^(LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|NOAUTH)\b|^ERR max number of clients/
/** Redis refuses to write, and goes on reading and publishing. */
const notWriting = /^(OOM|MISCONF|READONLY|NOREPLICAS)\b/
/** Redis 6 wraps what stopped a script; Redis 7 leaves the code in front. */
const wrapped = /^ERR Error (?:running|compiling) script .*?: -(?=[A-Z]+ )/s

/**
 * Whether a failed call speaks against Redis. A connection's failure does, and of Redis' own answers those that
 * would meet every other call of the role too; a wrong type, an unknown script or a bad argument shows that it lives.
 *
 * Refused writes count for whoever writes (`write`). Who lives by PUBLISH, which works all the same, loses more by
 * rejecting than by a refused write now and then (`publish`).
 */
export function blamesRedis(role: 'publish' | 'write'): (error: unknown) => Blame {
  return error => {
    if (!(error instanceof Error)) return true
    const { code } = error as { code?: unknown }
    if (typeof code === 'string') return true
    // BullMQ answers in negative numbers, or with an error like any other, for what is wrong with a job.
    if (typeof code === 'number') return false
    if (error.name !== 'ReplyError') return error.name === 'Error' ? 'unsure' : true
    const message = error.message.replace(wrapped, '')
    if (notServing.test(message)) return true
    return role === 'write' && notWriting.test(message) ? 'at once' : false
  }
}
