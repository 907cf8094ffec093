import { expect, inject, it } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { until } from '../../test/support/until.ts'
import { connectPostgres } from '../platform/index.ts'
import { createHoldfast } from './holdfast.ts'

it('a node that cannot be built lets go of everything it had opened', async () => {
  const database = await freshDatabase(inject('postgresUrl'))
  const sql = connectPostgres(database.url, { max: 1, applicationName: 'test' })
  const rule = (webhook: { url: string; secrets: string[] }) => ({
    on: { channel: 'order:*', type: '*' },
    webhook,
  })
  const build = (rules: Record<string, ReturnType<typeof rule>>) =>
    createHoldfast({
      http: { host: '127.0.0.1', port: 0 },
      redis: { url: inject('redisUrl') },
      postgres: { url: database.url, migrate: true },
      namespaces: { order: { tier: 'durable' } },
      jobs: { rules, schedules: { bad: { cron: '99 * * * *', publish: { channel: 'order:1', data: 1 } } } },
      log: { level: 'silent' },
    }).then(hf => hf.listen())
  await expect(build({})).rejects.toMatchObject({
    code: expect.stringMatching(/CONFIG_INVALID|REQUEST_INVALID/),
  })
  await until('no connection is left', async () => {
    const rows = await sql`
      select from pg_stat_activity where datname = current_database() and application_name like 'holdfast-%'`
    return rows.length === 0
  })
  await sql.end()
  await database.drop()
}, 30_000)
