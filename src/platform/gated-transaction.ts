import type { Callable, Statement } from './gated-pool.ts'
import type { Transaction } from './postgres.ts'

/**
 * A transaction as somebody may use it until it is closed. The driver sends a statement that comes after the end to the
 * same connection: into whatever transaction is then under way there, or to none, which ends the process.
 */
export class GatedTransaction {
  readonly tx: Transaction
  #open = true
  #savepoints = 0
  #error: unknown
  #spoilt: unknown

  constructor(tx: Transaction) {
    this.tx = this.#gate(tx, true)
  }

  /** Why the transaction can't be committed any more: a statement failed, whether or not its user minded. */
  get error(): unknown {
    return this.#error
  }

  /** With what Postgres has refused a statement outside of any savepoint: it takes a commit for a rollback since then. */
  get spoilt(): unknown {
    return this.#spoilt
  }

  /** Within a savepoint the driver has statements of its own to send, which nothing can hold back. */
  get inSavepoint(): boolean {
    return this.#savepoints > 0
  }

  /** The connection is gone. */
  get lost(): boolean {
    return isConnectionError(this.#error)
  }

  close(): void {
    this.#open = false
  }

  #gate(tx: Transaction, outermost: boolean): Transaction {
    const guarded = (made: unknown) => this.#guard(made, outermost)
    return new Proxy(tx, {
      apply: (target, _, args) => guarded((target as unknown as Callable)(...args)),
      get: (target, key) => {
        const value = target[key as keyof Transaction] as unknown
        if (key === 'unsafe' || key === 'file')
          return (...args: unknown[]) => guarded((value as Callable)(...args))
        if (key === 'savepoint') {
          return (...args: unknown[]) => {
            const done = this.#savepoint(value as Callable, args)
            // As with statements: a rejection that nobody waits for does not end the process.
            done.catch(() => undefined)
            return done
          }
        }
        return value
      },
    })
  }

  async #savepoint(savepoint: Callable, args: unknown[]): Promise<unknown> {
    if (!this.#open) throw ended()
    const act = args.pop() as (inner: Transaction) => unknown
    this.#savepoints++
    try {
      return await savepoint(...args, (inner: Transaction) => act(this.#gate(inner, false)))
    } finally {
      this.#savepoints--
    }
  }

  #guard(made: unknown, outermost: boolean): unknown {
    if (!(made instanceof Promise)) return made
    const statement = made as Statement
    const send = statement.handler
    if (!send) return made
    statement.handler = sent => {
      const spoils = outermost && !this.inSavepoint
      // Also so that a rejection which nobody waits for does not end the process.
      sent.catch(error => {
        if (outermost || isConnectionError(error)) this.#error ??= error
        // What the driver itself has refused was never sent, and spoils nothing.
        if (spoils && error instanceof Error && 'severity' in error) this.#spoilt ??= error
        if (isConnectionError(error)) this.#open = false
      })
      if (this.#open) send(sent)
      else sent.reject?.(ended())
    }
    return statement
  }
}

/** An error of the connection itself: the driver's, or the socket's. */
export function isConnectionError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false
  return /^CONNECT(ION)?_/.test(String(error.code)) || 'syscall' in error
}

function ended(): Error {
  return new Error('this transaction has ended: use it only until what it was given to is done')
}
