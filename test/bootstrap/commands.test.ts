import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { apiKey, type Cluster, startCluster, tokenSecret } from '../support/cluster.ts'
import { freshDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const bin = inject('program')

interface Result {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

function holdfast(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return new Promise(resolve => {
    execFile(process.execPath, [bin, ...args], { env: { ...bare(), ...env } }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr })
    })
  })
}

function bare(): NodeJS.ProcessEnv {
  const names = /^(HOLDFAST_|REDIS_URL|DATABASE_URL)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.test(name)))
}

const lines = (text: string) => text.trim().split('\n').filter(Boolean)

const operating = [
  ...['parked list', 'parked inspect', 'parked redrive', 'parked discard'],
  ...['deliveries', 'erase', 'retention status'],
]

describe('the commands, without a node', () => {
  it.each([
    ['a command that does not exist', ['nope'], 2, /unknown command 'nope'/],
    ['an argument that is missing', ['tail'], 2, /missing required argument 'channel'/],
    ['a number that is none', ['tail', 'x', '--since', 'abc'], 2, /whole number.*abc/],
    ['data that is no JSON', ['append', 'chat:x', 'Said', '{text'], 2, /the data is no JSON/],
    ['nothing to serve from', ['serve'], 2, /serve needs REDIS_URL and DATABASE_URL/],
    ['no database', ['ledger', 'status'], 2, /ledger status needs DATABASE_URL/],
    ['no secret', ['token', '--user', 'anna'], 2, /HOLDFAST_TOKEN_HMAC_SECRET/],
    [
      'a node that is not there',
      ['append', 'chat:x', 'Said', '{}', '--api-key', 'k', '--timeout', '1', '--url', 'localhost:65533'],
      1,
      /nothing answers.*unknown[\s\S]*repeat it with --id/,
    ],
  ])('say in a line what is wrong with %s', async (_what, args, code, message) => {
    const result = await holdfast(args)
    expect(result.code).toBe(code)
    expect(result.stderr).toMatch(message)
    expect(result.stderr).not.toMatch(/^\s+at /m)
    expect(result.stdout).toBe('')
  })

  it.each([
    'dev',
    'serve',
    'migrate',
    'token',
    'tail',
    'append',
    'ledger status',
    'ledger new-epoch',
    ...operating,
  ])('explain %s with an example', async command => {
    const { code, stdout } = await holdfast([...command.split(' '), '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/Examples:\n\s+#/)
  })

  it('name a configuration file that can’t be read, and every mistake in one that can', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-config-'))
    const file = join(folder, 'holdfast.json')
    await writeFile(file, '{"http":{"port":"many"},"colour":1}')
    const env = { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/x' }
    const wrong = await holdfast(['serve'], { ...env, HOLDFAST_CONFIG: file })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toMatch(/http\.port[\s\S]*colour/)
    const missing = await holdfast(['serve'], { ...env, HOLDFAST_CONFIG: join(folder, 'none.json') })
    expect(missing.code).toBe(2)
    expect(missing.stderr).toMatch(/none\.json[\s\S]*HOLDFAST_CONFIG/)
    await rm(folder, { recursive: true })
  })
})

describe('the commands, against two nodes', () => {
  let cluster: Cluster
  const url = (node: number) => ['--url', cluster.nodes[node]?.url ?? '']
  const token = async (user: string) => {
    const made = await holdfast(['token', '--user', user], { HOLDFAST_TOKEN_HMAC_SECRET: tokenSecret })
    return ['--token', made.stdout.trim()]
  }

  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.close())

  it('append as a client with a token and as the server with a key, and tail both from the other node', async () => {
    const mine = await token('anna')
    const first = await holdfast(['append', 'order:cli', 'Placed', '{"n":1}', '--json', ...mine, ...url(0)])
    expect(JSON.parse(first.stdout)).toMatchObject({ offset: 1, duplicate: false })
    const { id } = JSON.parse(first.stdout)
    const again = await holdfast([
      'append',
      'order:cli',
      'Placed',
      '{"n":1}',
      '--id',
      id,
      '--json',
      ...mine,
      ...url(1),
    ])
    expect(JSON.parse(again.stdout)).toEqual({ offset: 1, id, duplicate: true })
    const key = { HOLDFAST_API_KEY: apiKey }
    const second = await holdfast(
      ['append', 'order:cli', 'Paid', '{"n":2}', '--expected-offset', '1', ...url(1)],
      key,
    )
    expect(second.stdout).toMatch(/^order:cli offset 2, id [0-9a-f-]{36}\n$/)
    const conflict = await holdfast(
      ['append', 'order:cli', 'Paid', '{"n":3}', '--expected-offset', '1', ...url(0)],
      key,
    )
    expect(conflict).toMatchObject({ code: 1, stderr: expect.stringMatching(/not recorded: .*409/) })
    const tail = await holdfast([
      'tail',
      'order:cli',
      '--since',
      '0',
      '--limit',
      '2',
      '--json',
      ...mine,
      ...url(1),
    ])
    expect(lines(tail.stdout).map(line => JSON.parse(line))).toMatchObject([
      { channel: 'order:cli', offset: 1, id, type: 'Placed', data: { n: 1 } },
      { channel: 'order:cli', offset: 2, type: 'Paid', data: { n: 2 } },
    ])
    const plain = await holdfast(['tail', 'order:cli', '--since', '1', '--no-follow', ...mine, ...url(0)])
    expect(plain.stdout).toMatch(/^ +2 {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}Paid {2}\{"n":2\}\n$/)
  }, 60_000)

  it('page through more than one page without follow, in order', async () => {
    for (let at = 0; at < 700; at += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          cluster.nodes[0]?.api('append', { channel: 'order:long', type: 'N', data: at + i }),
        ),
      )
    }
    const { stdout } = await holdfast([
      'tail',
      'order:long',
      '--since',
      '0',
      '--no-follow',
      '--json',
      ...(await token('a')),
      ...url(1),
    ])
    expect(lines(stdout).map(line => JSON.parse(line).offset)).toEqual(
      Array.from({ length: 700 }, (_, i) => i + 1),
    )
  }, 60_000)

  it('follow live over the death of the node they are connected to', async () => {
    const node = await cluster.start()
    const args = [
      'tail',
      'order:live',
      '--since',
      '0',
      '--limit',
      '3',
      '--json',
      ...(await token('b')),
      '--url',
      node.url,
    ]
    const child = spawn(process.execPath, [bin, ...args], {
      env: bare(),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const seen: number[] = []
    createInterface({ input: child.stdout }).on('line', line => seen.push(JSON.parse(line).offset))
    const append = (n: number) =>
      cluster.nodes[0]?.api('append', { channel: 'order:live', type: 'N', data: n })
    await append(1)
    await until('the first is seen', () => seen.length === 1, 20_000)
    await node.kill()
    await append(2)
    await cluster.start({ port: node.port })
    await append(3)
    await once(child, 'close')
    expect(seen).toEqual([1, 2, 3])
    expect(child.exitCode).toBe(0)
  }, 90_000)

  it('say why a channel can’t be followed', async () => {
    const mine = await token('c')
    const unknown = await holdfast(['tail', 'nowhere:1', ...mine, ...url(0)])
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/nowhere:1: .*\(102\)[\s\S]*configuration/),
    })
    const bad = await holdfast(['tail', 'order:1', '--token', 'rubbish', ...url(0)])
    expect(bad).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/refuses the connection[\s\S]*--token/),
    })
  }, 60_000)

  it('show the ledger and begin a new epoch only when it is confirmed', async () => {
    const env = { DATABASE_URL: cluster.databaseUrl, REDIS_URL: cluster.redisUrl }
    const before = JSON.parse((await holdfast(['ledger', 'status', '--json', '--channels', '2'], env)).stdout)
    expect(before.partitions).toBe(64)
    expect(before.events).toBeGreaterThanOrEqual(705)
    expect(before.channels[0]).toMatchObject({ channel: 'order:long', head: 700 })
    expect(before.channels).toHaveLength(2)
    expect(before.mirror).toMatchObject({ ahead: 0 })
    expect((await holdfast(['ledger', 'status'], env)).stdout).toContain(before.epoch)
    const nowhere = await holdfast(['ledger', 'status', '--json'], {
      ...env,
      REDIS_URL: 'redis://127.0.0.1:65533',
    })
    expect(JSON.parse(nowhere.stdout).mirror.unreachable).toMatch(/ECONNREFUSED/)

    const refused = await holdfast(['ledger', 'new-epoch'], env)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') })
    const changed = await holdfast(['ledger', 'new-epoch', '--yes', '--json'], env)
    const { epoch, previous } = JSON.parse(changed.stdout)
    expect(previous).toBe(before.epoch)
    expect(epoch).not.toBe(previous)
    expect(JSON.parse((await holdfast(['ledger', 'status', '--json'], env)).stdout).epoch).toBe(epoch)
  }, 60_000)
})

describe('migrating', () => {
  it('is refused by serve, done by migrate, and nothing the second time', async () => {
    const database = await freshDatabase(inject('postgresUrl'))
    const env = { DATABASE_URL: database.url, REDIS_URL: inject('redisUrl'), HOLDFAST_PORT: '0' }
    const empty = await holdfast(['ledger', 'status'], env)
    expect(empty).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no ledger yet[\s\S]*holdfast migrate/),
    })
    for (const command of [['groups', 'list'], ['groups', 'show', 'x'], ['outbox', 'status'], ['cursors']]) {
      const asked = await holdfast(command, env)
      expect(asked, command.join(' ')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no ledger yet'),
      })
    }
    const refused = await holdfast(['serve'], env)
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/lacks \d+ migration[\s\S]*holdfast migrate/),
    })
    const both = await Promise.all([
      holdfast(['migrate', '--json'], env),
      holdfast(['migrate', '--json'], env),
    ])
    expect(both.map(result => result.code)).toEqual([0, 0])
    const applied = both.map(result => JSON.parse(result.stdout).applied.length)
    expect(applied.toSorted()).toEqual([0, Math.max(...applied)])
    expect(Math.max(...applied)).toBeGreaterThan(0)
    expect((await holdfast(['migrate'], env)).stdout).toBe('the schema is up to date\n')
    await database.drop()
  }, 60_000)
})
