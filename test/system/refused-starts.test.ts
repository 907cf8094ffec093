import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from '../support/database.ts'

const bin = inject('program')

/**
 * A supervisor starts again what has ended, and leaves alone what runs: a node that cannot serve has to end, with
 * Redis and Postgres already connected, and say why in words.
 */
describe('a node that cannot start', () => {
  let directory: string
  let database: Awaited<ReturnType<typeof freshDatabase>>
  const other = createServer()
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-refused-'))
    database = await freshDatabase(inject('postgresUrl'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
  })
  afterAll(async () => {
    other.close()
    await database?.drop()
    await rm(directory, { recursive: true, force: true })
  })
  const taken = (): number => (other.address() as AddressInfo).port

  const cases: [string, () => Record<string, string>, () => string, number][] = [
    [
      'because its port is taken',
      () => ({ HOLDFAST_PORT: String(taken()) }),
      (): string =>
        `port ${taken()} on 127.0.0.1 is taken by another program; set HOLDFAST_PORT to choose another`,
      2,
    ],
    [
      'because there is no such host',
      () => ({ HOLDFAST_HOST: 'no-such-host.invalid' }),
      () => 'set HOLDFAST_HOST to choose another',
      2,
    ],
    [
      'because its database does not exist',
      () => ({ DATABASE_URL: new URL('/missing', inject('postgresUrl')).href }),
      () => 'database "missing" does not exist',
      1,
    ],
    [
      'because nobody is at its database',
      () => ({ DATABASE_URL: 'postgres://a@127.0.0.1:1/a' }),
      () => '127.0.0.1:1',
      1,
    ],
  ]
  it.each(cases)('%s says so and ends', async (_, env, message, code) => {
    const ended = await serve(env())
    expect(ended.stderr).toContain(message())
    expect(ended.stderr).not.toMatch(/^\s+at /m)
    expect(ended.code).toBe(code)
  })

  it.each([
    ['auth.token.publicKey', { auth: { token: { publicKey: 'nonsense' } } }],
    ['auth.token.jwksUrl', { auth: { token: { jwksUrl: 'ftp://keys.example/jwks' } } }],
    ['namespaces.room.tier', { namespaces: { room: { tier: 'lasting' } } }],
  ])('because of %s in its configuration says so and ends', async (key, config) => {
    const file = join(directory, `${key}.json`)
    await writeFile(file, JSON.stringify(config))
    const ended = await serve({ HOLDFAST_CONFIG: file })
    expect(ended.stderr).toContain(key)
    expect(ended.stderr).not.toMatch(/^\s+at /m)
    expect(ended.code).toBe(2)
  })

  function serve(env: Record<string, string>): Promise<{ code: unknown; stderr: string }> {
    const common = {
      HOLDFAST_HOST: '127.0.0.1',
      HOLDFAST_PORT: '0',
      REDIS_URL: inject('redisUrl'),
      DATABASE_URL: database.url,
    }
    return new Promise(resolve => {
      const options = { env: { ...process.env, ...common, ...env }, timeout: 25_000 }
      execFile(process.execPath, [bin, 'serve', '--migrate'], options, (error, _, stderr) => {
        resolve({ code: error?.code ?? error?.signal, stderr })
      })
    })
  }
})
