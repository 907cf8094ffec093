import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../test/support/database.ts'
import { until } from '../../test/support/until.ts'
import { migrate } from '../durable/index.ts'
import { createLogger } from '../platform/index.ts'
import { AuditLog } from './audit-log.ts'
import { MarkBook } from './mark-book.ts'
import { PostgresSource } from './postgres-source.ts'
import { type RecordedAct, readActs, readMarks, writeMarks } from './store.ts'

const logger = createLogger('silent')

describe('Postgres, as the console asks it', () => {
  let database: FreshDatabase
  let postgres: PostgresSource
  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
    await migrate(database.url)
    postgres = new PostgresSource(database.url, logger)
  })
  afterAll(async () => {
    await postgres?.close()
    await database?.drop()
  })
  const state = () => postgres.state().state

  it('is not silent because it refuses a statement', async () => {
    const refused = postgres.ask(sql => sql`select ${'a\u0000'}::text`)
    await expect(refused).rejects.toMatchObject({ details: { postgres: '22021' } })
    expect(state()).toBe('answering')
    expect(await postgres.run(sql => sql`select 1 as one`)).toEqual([{ one: 1 }])
  })

  it('is not silent because a question takes long, and goes on with what must happen', async () => {
    const long = Promise.allSettled([
      postgres.ask(sql => sql`select pg_sleep(60)`),
      postgres.ask(async sql => {
        await sql`select pg_sleep(1.2)`
        await sql`select pg_sleep(1.2)`
      }),
    ])
    let ended = false
    void long.then(() => {
      ended = true
    })
    while (!ended) expect(await postgres.run(sql => sql`select pg_sleep(0.05), 1 as one`)).toHaveLength(1)
    expect((await long).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(state()).toBe('answering')
    expect(await postgres.ask(sql => sql`select 1 as one`)).toEqual([{ one: 1 }])
  }, 30_000)

  it('is silent where nothing is answered', async () => {
    const away = new PostgresSource('postgres://nobody@127.0.0.1:1/none', logger)
    await expect(away.run(sql => sql`select 1`)).rejects.toMatchObject({ remedy: 'retry_later' })
    await until('it is known to be silent', () => away.state().state === 'silent')
    await away.close()
  })

  it('keeps what people have done, whatever it says, and what it refuses keeps nothing else from it', async () => {
    const audit = new AuditLog(logger)
    const act = (target: string): Omit<RecordedAct, 'time'> => ({
      ...{ actor: 'console:ann', act: 'pause_group', target, reason: 'why\ud800\u0000', outcome: 'done' },
    })
    await postgres.run(sql => sql`alter table holdfast.acts add check (target <> 'refused')`)
    for (const target of ['one\u0000', 'refused', 'two']) audit.record(act(target))
    await audit.write(postgres)
    expect(audit.waiting).toEqual([])
    const acts = await postgres.ask(sql => readActs(sql, { limit: 10 }))
    expect(acts.map(({ target, reason }) => [target, reason])).toEqual([
      ['two', 'why\ufffd'],
      ['one', 'why\ufffd'],
    ])
    const marks = new MarkBook({ nodeName: 'a\u0000', tell: () => undefined })
    marks.note({ kind: 'ledger_state', says: 'half \udc00', details: { state: '\u0000' } })
    await marks.write(all => postgres.run(sql => writeMarks(sql, all)))
    const kind = 'ledger_state'
    expect(await postgres.ask(sql => readMarks(sql, { kind, limit: 10 }))).toMatchObject([
      { node: 'a', says: 'half \ufffd', details: { state: '\u0000' } },
    ])
  })
})
