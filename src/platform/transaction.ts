import { setTimeout as delay } from 'node:timers/promises'
import { GatedTransaction } from './gated-transaction.ts'
import type { Sql, Transaction } from './postgres.ts'

/** How long the driver may take to notice that the connection is gone on which a statement has just failed. */
const noticeMs = 1_000

/**
 * Runs `act` in a transaction, which is committed when it resolves and rolled back when it rejects, or when a statement
 * fails that nobody has waited for: Postgres answers a commit then as if all were well. Use this in place of
 * the driver's `begin`: when the connection is lost meanwhile, that writes its `rollback` to a socket that is no more,
 * in a callback of its own where nobody can catch the error, and the process ends.
 */
export async function transaction<T>(sql: Sql, act: (tx: Transaction) => Promise<T>): Promise<T> {
  let gate: GatedTransaction | undefined
  let over = false
  try {
    const begun = sql.begin(async tx => {
      gate = new GatedTransaction(tx)
      try {
        return await act(gate.tx)
      } finally {
        // `begin` itself rejects when it hears of the loss; it must not be given an end that it would act upon.
        if (gate.lost) await delay(noticeMs, undefined, { ref: false })
        if (over) await new Promise(() => {})
      }
    })
    const result = await begun
    if (gate?.spoilt !== undefined) throw gate.spoilt
    return result as T
  } finally {
    over = true
    gate?.close()
  }
}
