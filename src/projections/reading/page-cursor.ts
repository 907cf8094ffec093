import { createHash } from 'node:crypto'
import { HoldfastError } from '../../domain/index.ts'
import type { OrderBy } from './row-query.ts'

/**
 * The end of a page as callers carry it: opaque, for the same table in the same order. It goes on where the page ended, in
 * whichever build is active then. It holds values of the row, and no secret.
 */
export function pageCursor(table: string, order: readonly OrderBy[], place: string): string {
  return Buffer.from(`${digest(table, order)}${place}`).toString('base64url')
}

/** @throws HoldfastError REQUEST_INVALID for one that is damaged, or of another table or order */
export function placeOf(
  cursor: string,
  table: string,
  order: readonly OrderBy[],
): readonly (string | null)[] {
  const text = Buffer.from(cursor, 'base64url').toString()
  const place = parsed(text.slice(digestLength))
  const fits = Array.isArray(place) && place.length === order.length && place.every(isPlace)
  if (!fits) throw new HoldfastError('REQUEST_INVALID', 'after: expected the `next` of a page')
  if (!text.startsWith(digest(table, order)))
    throw new HoldfastError('REQUEST_INVALID', 'after: it belongs to another table or order')
  return place
}

const digestLength = 8

function digest(table: string, order: readonly OrderBy[]): string {
  const words = [table, ...order.map(({ column, descending }) => `${descending ? '-' : ''}${column.name}`)]
  return createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, digestLength)
}

function isPlace(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
