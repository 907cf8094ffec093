import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freePort } from '../../src/cli/services/free-port.ts'
import { connectPostgres } from '../../src/platform/index.ts'
import { freshDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const nodeFirst = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
  NODE_OPTIONS: '',
}

/** The code blocks of the README that follow a line `<!-- example: NAME -->`. */
async function examples(): Promise<Map<string, string>> {
  const text = await readFile(join(root, 'README.md'), 'utf8')
  const blocks = text.matchAll(/<!-- example: (\S+) -->\n```ts\n([\s\S]*?)```/g)
  return new Map([...blocks].map(match => [match[1] ?? '', match[2] ?? '']))
}

describe('the code of the README, in an empty folder with the packed packages', () => {
  let directory: string
  const children: ChildProcess[] = []
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-readme-'))
    await run('npm', ['run', 'build'], { cwd: root, env: nodeFirst })
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], {
      cwd: root,
      env: nodeFirst,
    })
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory, './packages/client'], {
      cwd: root,
      env: nodeFirst,
    })
    const packed = (await readdir(directory)).filter(file => file.endsWith('.tgz'))
    expect(packed).toHaveLength(2)
    const dependencies = Object.fromEntries(
      packed.map(file => [
        file.startsWith('holdfast-client') ? '@holdfast/client' : 'holdfast',
        `file:${file}`,
      ]),
    )
    const lock = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    await writeFile(
      join(directory, 'package.json'),
      JSON.stringify({
        type: 'module',
        private: true,
        dependencies,
        devDependencies: {
          typescript: lock.devDependencies.typescript,
          '@types/node': lock.devDependencies['@types/node'],
        },
      }),
    )
    await copyFile(join(root, '.npmrc'), join(directory, '.npmrc'))
    for (const [name, code] of await examples()) await writeFile(join(directory, name), code)
    await run('npm', ['install', '--ignore-scripts', '--prefer-offline'], { cwd: directory, env: nodeFirst })
  }, 300_000)
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  })

  it('type-checks under the strictest options', async () => {
    const flags = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noEmit']
    const modules = ['--module', 'nodenext', '--target', 'es2024', '--types', 'node']
    const tsc = join(directory, 'node_modules/typescript/bin/tsc')
    const files = ['server.ts', 'client.ts', 'holdfast.ts', 'account.ts']
    const checked = run(process.execPath, [tsc, ...flags, ...modules, ...files], { cwd: directory })
    const { stdout } = await checked.catch((error: { stdout: string }) => error)
    // drizzle's declarations name databases that nobody here has; all who use it set `skipLibCheck`.
    const wrong = stdout
      .split('\n')
      .filter(line => /: error TS/.test(line) && !/^\S*node_modules\/drizzle-orm\//.test(line))
    expect(wrong).toEqual([])
  }, 120_000)

  it('runs: the client stores an event on the server and reads it back', async () => {
    const database = await freshDatabase(inject('postgresUrl'))
    const port = await freePort()
    const start = (file: string, env: Record<string, string>) => {
      const child = spawn(process.execPath, [file], { cwd: directory, env: { ...nodeFirst, ...env } })
      const output: string[] = []
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
      children.push(child)
      return { child, text: () => output.join('') }
    }
    const server = start('server.ts', {
      PORT: String(port),
      REDIS_URL: inject('redisUrl'),
      DATABASE_URL: database.url,
    })
    await until('the server listens', () => server.text().includes(`listening on ${port}`)).catch(error => {
      throw new Error(`${error.message}\n${server.text()}`)
    })
    const client = start('client.ts', { HOLDFAST_URL: `ws://127.0.0.1:${port}/connection/websocket` })
    await until('the event has come back', () =>
      /1 PaymentCaptured \{ cents: 4200 \}/.test(client.text()),
    ).catch(error => {
      throw new Error(`${error.message}\n${client.text()}\n${server.text()}`)
    })
    expect(client.text()).toContain('stored as 1')
    client.child.kill('SIGKILL')
    const ended = once(server.child, 'exit')
    server.child.kill('SIGTERM')
    await ended
    await database.drop()
  }, 120_000)

  it('runs: a worker writes a receipt for an event that an application’s transaction recorded', async () => {
    const database = await freshDatabase(inject('postgresUrl'))
    const sql = connectPostgres(database.url, { max: 1, applicationName: 'test' })
    const worker = spawn(
      process.execPath,
      [
        join(directory, 'node_modules/holdfast/bin/holdfast'),
        'serve',
        '--role',
        'worker',
        '--migrate',
        '--json',
      ],
      {
        cwd: directory,
        env: {
          ...nodeFirst,
          HOLDFAST_CONFIG: 'holdfast.ts',
          HOLDFAST_HOST: '127.0.0.1',
          HOLDFAST_PORT: '0',
          REDIS_URL: inject('redisUrl'),
          DATABASE_URL: database.url,
        },
      },
    )
    children.push(worker)
    const output: string[] = []
    worker.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()))
    worker.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
    try {
      await until('the worker is there', () => output.join('').includes('"listening"'))
      await sql`create table receipts (event uuid, "order" text, cents int)`
      await sql`select holdfast_publish('order:7', 'PaymentCaptured', '{"cents":4200}')`
      await until('the receipt is written', async () => (await sql`select from receipts`).length > 0)
      expect(await sql`select "order", cents from receipts`).toEqual([{ order: '7', cents: 4200 }])
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${output.join('')}`)
    } finally {
      const ended = once(worker, 'exit')
      worker.kill('SIGTERM')
      await ended
      await sql.end()
      await database.drop()
    }
  }, 120_000)

  it('runs: a command is refused, and a read model has what the one before it has done', async () => {
    const database = await freshDatabase(inject('postgresUrl'))
    const env = { ...nodeFirst, DATABASE_URL: database.url }
    const { stdout } = await run(process.execPath, ['account.ts'], { cwd: directory, env })
    // Beside what the node logs.
    const said = stdout.split('\n').filter(line => line !== '' && !line.startsWith('{'))
    expect(said).toEqual(['only 4200 cents are there', '4200'])
    await database.drop()
  }, 120_000)

  it('stays at fifteen lines for a server and fifteen for a client', async () => {
    for (const code of (await examples()).values()) {
      expect(code.split('\n').filter(line => line.trim() !== '').length).toBeLessThanOrEqual(15)
    }
  })
})
