/** What a failed call to Redis says about its effect. */
import { HoldfastError } from '../domain/index.ts'

/** `unsent`: nothing has changed. `doubtful`: it may have taken effect. */
export function fateOf(error: unknown): 'unsent' | 'doubtful' {
  if (isRefusal(error)) return 'unsent'
  return error instanceof HoldfastError && error.code === 'DEPENDENCY_REJECTED' ? 'unsent' : 'doubtful'
}

/** Redis lives and says no. Its first write stops a script, so nothing has changed. */
export function isRefusal(error: unknown): boolean {
  return replyOf(error) !== undefined
}

/** Out of memory, read only, a disk that fails: the next write would meet the same. */
export function refusesAllWrites(error: unknown): boolean {
  return /\b(OOM|MISCONF|READONLY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|LOADING|BUSY)\b/.test(
    replyOf(error) ?? '',
  )
}

function replyOf(error: unknown): string | undefined {
  const cause = error instanceof HoldfastError ? error.cause : error
  return cause instanceof Error && cause.name === 'ReplyError' ? cause.message : undefined
}
