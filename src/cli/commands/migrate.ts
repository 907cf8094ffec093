import { Command } from 'commander'
import { loadConfig, required } from '../config-file.ts'
import { examples } from '../examples.ts'

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the schema of DATABASE_URL up to date; running it twice or at once is safe')
    .option('--json', 'print {applied} as JSON')
    .addHelpText(
      'after',
      `\nRun it as the role that owns the schema; nodes may run as a member of holdfast_runtime.\n${examples([
        'before the nodes of a new version start',
        'DATABASE_URL=postgres://owner@localhost/holdfast holdfast migrate',
      ])}`,
    )
    .action(run)
}

async function run(options: { json?: boolean }): Promise<void> {
  const url = (await loadConfig(process.env)).postgres?.url
  required([['DATABASE_URL', url]], 'migrate')
  const { migrate } = await import('../../durable/index.ts')
  const applied = await migrate(url ?? '')
  if (options.json) console.log(JSON.stringify({ applied }))
  else if (applied.length === 0) console.log('the schema is up to date')
  else console.log(`applied: ${applied.join(', ')}`)
}
