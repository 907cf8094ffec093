import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from './support/database.ts'

const folder = fileURLToPath(new URL('../examples/', import.meta.url))

/** What each example must print; a line may hold a `*` for what is made anew in every run. */
const printed: Record<string, string[]> = {
  'append-and-resume.ts': [
    '1 OrderPlaced { lines: 2 }',
    '2 PaymentCaptured { cents: 4200 }',
    "3 OrderShipped { parcel: 'X1' }",
  ],
  'attach-to-your-server.ts': [
    'my own answer to /about',
    "{ for: 'anna', of: { sku: 'chair' }, cents: 4200 }",
    "{ headline: 'from the server' }",
  ],
  'contract.ts': ['bad request: PaymentCaptured at cents: *', '1 line', '16800 cents'],
  'cursor-and-ack.ts': [
    "phone 1 { text: 'hello' }",
    "phone 2 { text: 'are you there?' }",
    "phone 3 { text: 'call me' }",
    '2 unread',
    "laptop 3 { text: 'call me' }",
    "laptop 4 { text: 'never mind' }",
  ],
  'hello.ts': ['anna says {"text":"hello"}'],
  'live-table.ts': ['anna has 3 points', 'anna has 8 points', 'anna has 13 points'],
  'order-aggregate.ts': [
    '2 Captured, 3 Captured ',
    '2 Captured, 3 Captured again',
    '1 cents too much',
    '{ cents: 4200, captured: 4000 }',
  ],
  'own-consumer-group.ts': [
    'payment 1, attempt 1',
    'payment 2, attempt 2',
    'payment 3, attempt 1',
    '600 cents',
    'payment 4, attempt 1',
    '1000 cents',
  ],
  'outbox-in-a-transaction.ts': [
    'not placed: example_orders_cents_check',
    '1 OrderPlaced { cents: 4200 }',
    '2 OrderPlaced { cents: 990 }',
  ],
  'park-and-redrive.ts': [
    'receipt 1 for anna',
    '2 is parked (no such account: ben), and 1 waits behind it',
    '1 redriven',
    'receipt 2 for ben',
    'receipt 3 for anna',
  ],
  'plain-sdk.ts': ['1 false 1 true', "[ 1, 'Said', { text: 'hello' } ]"],
  'projection-with-rebuild.ts': [
    "version 1: [ { shop: '*', cents: 1100 } ]",
    "version 2: [ { shop: '*', cents: 700 } ]",
    '1 standby, 2 active',
  ],
  'signalling.ts': ['ben gets an offer from anna', 'anna gets an answer from ben'],
  'test-your-application.ts': [
    "[ { by: 'a guest' } ]",
    'seen without Redis 2',
    'seen after the tunnel 3',
    'told of retention 4',
  ],
  'webhook-receiver.ts': ['OrderPlaced order:7 { lines: 2 }', 'it comes again, and was taken already'],
}

describe('every example', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
  })
  afterAll(() => database?.drop())

  it('is on the list here, and has fewer than 60 lines', async () => {
    const files = globSync('*.ts', { cwd: folder })
    expect(files.sort()).toEqual(Object.keys(printed).sort())
    for (const file of files) {
      const lines = (await readFile(folder + file, 'utf8')).trimEnd().split('\n')
      expect(lines.length, file).toBeLessThan(60)
    }
  })

  it.each(Object.entries(printed))(
    '%s runs, prints what it should, and ends by itself',
    async (file, lines) => {
      const env = { ...process.env, PORT: '0', REDIS_URL: inject('redisUrl'), DATABASE_URL: database.url }
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [folder + file], {
        env,
        timeout: 55_000,
      })
      // Beside what the node logs.
      const got = stdout
        .trimEnd()
        .split('\n')
        .filter(each => !each.startsWith('{"level":'))
      expect(stderr).toBe('')
      expect(got).toHaveLength(lines.length)
      for (const [i, line] of lines.entries()) expect(got[i]).toMatch(pattern(line))
    },
    60_000,
  )
})

function pattern(line: string): RegExp {
  const parts = line.split('*').map(part => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}
