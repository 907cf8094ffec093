import { Command } from 'commander'
import { CliError } from '../cli-error.ts'
import type { DevOptions } from '../dev/dev.ts'
import { examples } from '../examples.ts'
import { exitCodeOf, report } from '../report.ts'

export function devCommand(): Command {
  return new Command('dev')
    .description(
      'start everything there is to try: Postgres, Redis, two nodes, a meeting room, and real events',
    )
    .option('--no-quakes', 'do not feed the earthquakes into quakes:all')
    .option('--folder <folder>', 'where its own servers keep their data (default: .holdfast)')
    .addHelpText(
      'after',
      `\nUses DATABASE_URL and REDIS_URL where they are set and brings servers of its own where they are not.\nBinds to 127.0.0.1, because everyone may do everything.\n${examples(
        ['nodes on ports 8000 and 8001', 'holdfast dev'],
        ['nodes on ports 9000 and 9001', 'HOLDFAST_PORT=9000 holdfast dev'],
        ['a second one beside it', 'HOLDFAST_PORT=0 holdfast dev --folder ./another'],
        ['with namespaces of your own', 'HOLDFAST_CONFIG=holdfast.json holdfast dev --no-quakes'],
      )}`,
    )
    .action(runDev)
}

/** A terminal's Ctrl-C reaches us more than once: directly, and through npm. Only a later one means "at once". */
const impatientAfterMs = 700

async function runDev(options: DevOptions): Promise<void> {
  const { Dev } = await import('../dev/dev.ts')
  const end = Promise.withResolvers<number>()
  const dev = new Dev(options, reason => {
    report(new CliError(reason))
    end.resolve(1)
  })
  let asked = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (asked > 0 && Date.now() - asked > impatientAfterMs) process.exit(1)
      if (asked === 0) {
        asked = Date.now()
        console.log('\nholdfast: stopping')
        end.resolve(0)
      }
    })
  }
  dev.start(process.env).catch(error => {
    if (asked === 0) report(error)
    end.resolve(asked === 0 ? exitCodeOf(error) : 0)
  })
  const code = await end.promise
  await dev.stop()
  process.exit(code)
}
