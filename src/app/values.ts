import { HoldfastError } from '../domain/index.ts'
import type { HistoryPage } from '../hub/index.ts'
import type { HistoryResult } from './types.ts'

/**
 * The JSON text of an application's value.
 * @throws HoldfastError PAYLOAD_INVALID for what JSON cannot say (undefined, a function, a cycle, a bigint)
 */
export function jsonOf(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new HoldfastError('PAYLOAD_INVALID', 'the data cannot be written as JSON', { cause })
  }
  if (text === undefined) {
    throw new HoldfastError('PAYLOAD_INVALID', `the data cannot be written as JSON: it is ${typeof value}`)
  }
  return text
}

/** A page of history as values. */
export function historyResult(page: HistoryPage): HistoryResult {
  return {
    publications: page.publications.map(text => JSON.parse(text)),
    offset: page.offset,
    epoch: page.epoch,
  }
}
