import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import { commandsOf, encodeCommanded } from '../commanded.ts'
import { eventIdOfKey } from '../event-key.ts'
import { tracedCall } from './api-tracing.ts'
import type { ApiMethod } from './method.ts'
import { check, optional, optionalName } from './request.ts'

/** Strict, because a misspelt `id` would make a repetition a command of its own. */
const commandParams = z
  .strictObject({
    channel: z.string().min(1),
    command: z.string().min(1),
    input: z.unknown().optional(),
    id: optional(z.uuid()),
    idempotency_key: optionalName,
  })
  .refine(params => params.id === undefined || params.idempotency_key === undefined, {
    message: 'expected id or idempotency_key, got both',
    path: ['id'],
  })

/** Whoever holds the key is not asked by the command whether he may. */
export const command: ApiMethod = async (request, parts) => {
  const { channel, command: name, input, id, idempotency_key: key } = check(commandParams, request)
  const given = id ?? (key === undefined ? undefined : eventIdOfKey(channel, key))
  const wanted = () => {
    if (request.abandoned()) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the caller has gone')
  }
  const call = { channel, command: name, input, wanted, ...(given === undefined ? {} : { id: given }) }
  const runner = commandsOf(parts.commands)
  return encodeCommanded(
    await tracedCall(parts, request, 'command', channel, trace => runner.run({ ...call, trace })),
  )
}
