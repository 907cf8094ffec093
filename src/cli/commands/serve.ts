import { Command, Option } from 'commander'
import type { Holdfast } from '../../app/index.ts'
import type { ConfigInput } from '../../platform/index.ts'
import { loadConfigFile, required } from '../config-file.ts'
import { examples } from '../examples.ts'

/** A supervisor that signals the whole group and hands its own signal on says the same thing twice. */
const sameSignalMs = 1_000

export function serveCommand(): Command {
  return new Command('serve')
    .description('run one node until SIGTERM or SIGINT')
    .option('--migrate', 'bring the schema up to date first')
    .addOption(
      new Option(
        '--role <role>',
        'what this process does: all, serve clients, or the work behind the log',
      ).choices(['all', 'gateway', 'worker']),
    )
    .option('--json', 'say in JSON where it listens')
    .addHelpText(
      'after',
      examples(
        [
          'a node on port 8000',
          'REDIS_URL=redis://localhost DATABASE_URL=postgres://localhost/holdfast holdfast serve',
        ],
        [
          'with namespaces and tokens',
          'HOLDFAST_CONFIG=holdfast.json HOLDFAST_TOKEN_HMAC_SECRET=… holdfast serve',
        ],
        ['a second one on a port of its own', 'HOLDFAST_PORT=8001 holdfast serve'],
        [
          'groups and jobs in a process of their own (the module exports a configuration and `setup(hf)`)',
          'HOLDFAST_CONFIG=holdfast.ts holdfast serve --role worker',
        ],
      ),
    )
    .action(serve)
}

/** For both tiers, wherever it is. */
function hasRedis({ url, sentinel, cluster, bus, log }: NonNullable<ConfigInput['redis']>): boolean {
  return Boolean(url || sentinel || cluster || (bus && log))
}

type Role = Holdfast['config']['role']

async function serve(options: { migrate?: boolean; role?: Role; json?: boolean }): Promise<void> {
  const { config: input, setup } = await loadConfigFile(process.env)
  required(
    [
      ['REDIS_URL', input.redis && hasRedis(input.redis) ? 'configured' : undefined],
      ['DATABASE_URL', input.postgres?.url],
    ],
    'serve',
  )
  const { createHoldfast } = await import('../../app/index.ts')
  const postgres = options.migrate ? { ...input.postgres, migrate: true } : input.postgres
  const { role } = options
  const prober = { ...input.prober, enabled: input.prober?.enabled ?? true }
  const hf = await createHoldfast({ ...input, prober, ...(postgres && { postgres }), ...(role && { role }) })
  stopOnSignals(hf)
  const { host, port } = await listen(hf, setup).catch(async (error: unknown) => {
    // Its connections to Redis and Postgres would keep the process, which a supervisor would take for a node.
    await hf.close()
    throw error
  })
  if (options.json)
    console.log(JSON.stringify({ event: 'listening', host, port, node: hf.node.name, pid: process.pid }))
  else console.log(`holdfast: ${hf.node.name} is listening on ${host}:${port}`)
}

async function listen(hf: Holdfast, setup: ((hf: Holdfast) => unknown) | undefined) {
  await setup?.(hf)
  return hf.listen()
}

/** A signal closes the node within its drain time; a second one, or a close that hangs, ends it at once. */
function stopOnSignals(hf: Holdfast): void {
  let stoppingSince: number | undefined
  const stop = async () => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > sameSignalMs) process.exit(1)
      return
    }
    stoppingSince = performance.now()
    const { drainDelayMs, drainTimeoutMs } = hf.config.limits
    setTimeout(() => process.exit(1), drainDelayMs + drainTimeoutMs + 3_000).unref()
    await hf.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stop().catch(error => {
        console.error(`holdfast: could not stop in order: ${error instanceof Error ? error.message : error}`)
        process.exit(1)
      })
    })
  }
}
