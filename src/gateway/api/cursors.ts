/** Cursors of users, as operators and the application's own server see them. */
import { z } from 'zod'
import type { ListedCursor } from '../../durable/index.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optional, optionalName } from './request.ts'

const defaultPage = 100

/** Strict, as what follows: a misspelt filter would match everything. */
const filterFields = { channel: optionalName, user: optionalName, cursor: optionalName }
const cursorsParams = z.strictObject({
  ...filterFields,
  limit: optional(z.int().min(1).max(1_000)),
  /** `next` of the page before. */
  after: optionalName,
})

export const cursors: ApiMethod = async (request, parts) => {
  const { channel, user, cursor, limit = defaultPage, after } = check(cursorsParams, request)
  const page = await operationsOf(parts).cursors.list({ channel, user, name: cursor }, { limit, after })
  return JSON.stringify({ cursors: page.cursors.map(cursorJson), next: page.next })
}

const unreadParams = z.strictObject({
  user: z.string().min(1),
  /** The name of the cursors that say what was read. */
  cursor: optionalName,
  types: optional(z.array(z.string().min(1)).min(1).max(100)),
  /** Whether the user's own events count too. */
  own: optional(z.boolean()),
  /** Counting ends above this number. */
  most: optional(z.int().min(1).max(10_000)),
  limit: optional(z.int().min(1).max(1_000)),
  /** `next` of the page before. */
  after: optionalName,
})

export const unread: ApiMethod = async (request, parts) => {
  const { limit = defaultPage, after, cursor: name, ...filter } = check(unreadParams, request)
  const page = await operationsOf(parts).cursors.unread({ ...filter, name }, { limit, after })
  const channels = page.channels.map(({ name: cursor, ...rest }) => ({ ...rest, cursor }))
  return JSON.stringify({ channels, next: page.next })
}

const removeParams = z
  .strictObject({
    ...filterFields,
    /** Who does it, as the caller says; the key is what was checked. */
    actor: optionalName.transform(name => name ?? 'api'),
    reason: optionalName,
  })
  .refine(params => params.channel !== undefined || params.user !== undefined, {
    message: 'expected a channel or a user whose cursors are to be removed',
    path: ['channel'],
  })

/** One cursor, all of a user's, or all in a channel. */
export const removeCursor: ApiMethod = async (request, parts) => {
  const { cursor, ...removal } = check(removeParams, request)
  const removed = await operationsOf(parts).cursors.remove({ ...removal, name: cursor })
  return JSON.stringify({ removed })
}

function cursorJson({ name, ...rest }: ListedCursor): Record<string, unknown> {
  return { ...rest, cursor: name }
}
