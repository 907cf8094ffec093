import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import type { Stage } from '../types.ts'

/** `too_many_connections`. */
const full = '53300'
/** As many at a time: each is a process to start. */
const atOnce = 5

/**
 * Takes every connection that Postgres has, reserved ones too, and keeps the system away until they are gone. Resolves
 * with the act that gives them back.
 */
export async function connectionsTaken({ postgres: server }: Stage): Promise<() => Promise<void>> {
  const taken: postgres.Sql[] = []
  server.proxy.refuse()
  server.proxy.cut()
  // What was cut may take its time to end; only two rounds in vain mean that nothing is left.
  for (let vain = 0; vain < 2; ) {
    const more = await Promise.all(Array.from({ length: atOnce }, () => take(server.directUrl)))
    taken.push(...more.filter(sql => sql !== undefined))
    if (more.every(sql => sql === undefined)) {
      vain++
      await delay(100)
    }
  }
  await server.proxy.heal()
  return async () => {
    await Promise.all(taken.map(sql => sql.end({ timeout: 1 })))
  }
}

async function take(url: string): Promise<postgres.Sql | undefined> {
  const sql = postgres(url, { max: 1, idle_timeout: 0, max_lifetime: null })
  try {
    await sql`select 1`
    return sql
  } catch (error) {
    await sql.end({ timeout: 0 })
    if ((error as { code?: string }).code === full) return undefined
    throw error
  }
}
