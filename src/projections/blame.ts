import { NobodysFault } from '../durable/index.ts'
import type { BuildTable } from './types.ts'

/** Postgres has no room, somebody holds a lock for too long, or it is a standby: whatever the statement was. */
const trouble = /^(53...|55P03|25006)$/
/** The statement as such, or where it should go; never the rows. */
const statement = /^(42...|3D...|3F...|55...)$/
/** A table is missing, or not allowed. */
const ofTable = /^(42P01|42501)$/

/** Of a statement that is not the application's own: what is wrong with it or its table is no event's fault. */
export function blamedForRows(error: unknown): unknown {
  const { state } = saidByPostgres(error)
  return trouble.test(state) || statement.test(state)
    ? new NobodysFault('a batch sink cannot write to its table', { cause: error })
    : error
}

/** Of the application's own code: a statement may be wrong because of an event, but for the tables that it was given. */
export function blamedForEvents(error: unknown, tables: Readonly<Record<string, BuildTable>>): unknown {
  const { state, message } = saidByPostgres(error)
  const words = new Set(message.split(/\W+/))
  const itsOwn = ofTable.test(state) && Object.values(tables).some(({ physical }) => words.has(physical))
  return trouble.test(state) || itsOwn
    ? new NobodysFault('a projection cannot write to its tables', { cause: error })
    : error
}

/** Also where a query builder has wrapped it. */
function saidByPostgres(thrown: unknown): { readonly state: string; readonly message: string } {
  let error = thrown
  while (error instanceof Error && !('severity' in error) && error.cause instanceof Error) error = error.cause
  if (!(error instanceof Error && 'severity' in error && 'code' in error)) return { state: '', message: '' }
  return { state: String(error.code), message: error.message }
}
