import { expectedModels } from '../folds.ts'
import type { Findings } from './findings.ts'
import type { History } from './history.ts'

/** Each read model says what a fold of the ledger says. Returns how many rows do not. */
export function checkModels({ recorded }: History, findings: Findings): number {
  const expected = expectedModels(recorded.stored)
  let wrong = 0
  for (const { projection, rows } of recorded.models) {
    const right = expected[projection] ?? {}
    for (const key of new Set([...Object.keys(right), ...Object.keys(rows)])) {
      if (rows[key] === right[key]) continue
      wrong++
      findings.add(
        'read models say what the ledger says',
        `${projection}: ${key} is ${rows[key] ?? 'not there'}, the ledger makes ${right[key] ?? 'nothing'} of it`,
      )
    }
  }
  return wrong
}
