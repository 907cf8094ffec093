/** What the server's side can do to sessions, wherever they are. */
import { z } from 'zod'
import { asHoldfastError, type ErrorCode } from '../../domain/index.ts'
import type { SessionHandle, Sessions } from '../types.ts'

/** All sessions of a user, or one connection; where both are given, the connection if it is that user's. */
const target = { user: z.string().optional(), client: z.string().optional() }

export const sessionCommand = z.discriminatedUnion('act', [
  z.object({
    act: z.literal('subscribe'),
    ...target,
    channel: z.string(),
    info: z.string().optional(),
    data: z.string().optional(),
    recover: z.object({ offset: z.number(), epoch: z.string() }).optional(),
  }),
  z.object({
    act: z.literal('unsubscribe'),
    ...target,
    channel: z.string(),
    code: z.number(),
    reason: z.string(),
  }),
  z.object({
    act: z.literal('disconnect'),
    ...target,
    /** Clients that are spared. */
    whitelist: z.array(z.string()),
    code: z.number(),
    reason: z.string(),
  }),
  z.object({
    act: z.literal('refresh'),
    ...target,
    expired: z.boolean(),
    /** Seconds since 1970. */
    expireAt: z.number().optional(),
  }),
])
export type SessionCommand = z.output<typeof sessionCommand>

export interface CommandOutcome {
  /** How many sessions it was about. */
  readonly sessions: number
  /** What went wrong for one of them. */
  readonly failed?: ErrorCode | undefined
}

/** Carries a command out on this node's sessions. Doing it twice is the same as doing it once. */
export async function carryOut(command: SessionCommand, sessions: Sessions): Promise<CommandOutcome> {
  // A copy, because ending sessions takes them out of the set.
  const targets = [...select(command, sessions)]
  const ends = await Promise.allSettled(targets.map(async session => apply(command, session)))
  for (const end of ends) {
    if (end.status === 'fulfilled') continue
    const { code } = asHoldfastError(end.reason)
    if (code !== 'ALREADY_SUBSCRIBED') return { sessions: targets.length, failed: code }
  }
  return { sessions: targets.length }
}

function select(command: SessionCommand, sessions: Sessions): Iterable<SessionHandle> {
  if (command.client !== undefined) {
    const session = sessions.get(command.client)
    if (!session || (command.user !== undefined && session.user !== command.user)) return []
    return [session]
  }
  return command.user === undefined ? [] : sessions.ofUser(command.user)
}

function apply(command: SessionCommand, session: SessionHandle): void | Promise<void> {
  switch (command.act) {
    case 'subscribe': {
      const { channel, info, data, recover } = command
      return session.subscribe(channel, {
        ...(info === undefined ? {} : { info }),
        ...(data === undefined ? {} : { data }),
        ...(recover === undefined ? {} : { recover }),
      })
    }
    case 'unsubscribe':
      return session.unsubscribe(command.channel, command.code, command.reason)
    case 'disconnect':
      if (!command.whitelist.includes(session.client)) session.disconnect(command.code, command.reason)
      return
    case 'refresh':
      return session.refresh({
        expired: command.expired,
        ...(command.expireAt === undefined ? {} : { expireAt: command.expireAt }),
      })
  }
}
