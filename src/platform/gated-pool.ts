import type postgres from 'postgres'

export type Sql = postgres.Sql

/** A statement of the driver's: a promise that is sent when somebody first waits for it. */
export type Statement = Promise<unknown> & {
  handler?: (statement: Statement) => void
  reject?: (error: Error) => void
}
export type Callable = (...args: unknown[]) => unknown

/** Of the connections of a pool. */
export interface Ends {
  /** There while a connection is at its end and the driver does not know it yet; resolves when it does. */
  readonly untold: Promise<void> | undefined
}

/**
 * A pool that holds back what is asked until the driver knows of each connection that is at its end, which takes a turn of
 * the event loop. The driver (postgres 3.4) would send it to such a connection, where it is never answered, nor is what is
 * to follow over the one made in its place. What a transaction under way sends then is lost with it.
 */
export function gatedPool(pool: Sql, ends: Ends): Sql {
  const told = async () => {
    while (ends.untold) await ends.untold
  }
  const held = (made: unknown) => {
    const statement = made as Statement
    const send = made instanceof Promise && statement.handler
    if (send) statement.handler = sent => void (ends.untold ? told().then(() => send(sent)) : send(sent))
    return made
  }
  return new Proxy(pool, {
    apply: (target, _, given) => held((target as unknown as Callable)(...given)),
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key === 'unsafe' || key === 'file')
        return (...given: unknown[]) => held((value as Callable)(...given))
      if (key === 'begin') return (...given: unknown[]) => told().then(() => (value as Callable)(...given))
      return value
    },
  })
}
