import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { appendCommand } from './commands/append.ts'
import { auditCommand } from './commands/audit.ts'
import { breakersCommand } from './commands/breakers.ts'
import { cursorsCommand } from './commands/cursors.ts'
import { deliveriesCommand } from './commands/deliveries.ts'
import { devCommand } from './commands/dev.ts'
import { eraseCommand } from './commands/erase.ts'
import { groupsCommand } from './commands/groups.ts'
import { jobsCommand } from './commands/jobs.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { migrateCommand } from './commands/migrate.ts'
import { outboxCommand } from './commands/outbox.ts'
import { parkedCommand } from './commands/parked.ts'
import { projectionsCommand } from './commands/projections.ts'
import { retentionCommand } from './commands/retention.ts'
import { schedulesCommand } from './commands/schedules.ts'
import { serveCommand } from './commands/serve.ts'
import { tailCommand } from './commands/tail.ts'
import { tokenCommand } from './commands/token.ts'
import { webhooksCommand } from './commands/webhooks.ts'

/** All of `holdfast`. A command that fails throws; nothing in here ends the process. */
export function buildProgram(): Command {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const program = new Command('holdfast')
    .description(manifest.description)
    .version(manifest.version, '-V, --version')
    .showHelpAfterError('(--help shows how)')
    .addHelpText(
      'after',
      '\n"holdfast dev" starts everything there is to try; "holdfast COMMAND --help" has examples.',
    )
  const commands = [
    devCommand,
    serveCommand,
    migrateCommand,
    tokenCommand,
    tailCommand,
    appendCommand,
    ledgerCommand,
    auditCommand,
    retentionCommand,
    cursorsCommand,
    outboxCommand,
    groupsCommand,
    projectionsCommand,
    jobsCommand,
    schedulesCommand,
    parkedCommand,
    deliveriesCommand,
    eraseCommand,
    webhooksCommand,
    breakersCommand,
  ]
  for (const make of commands) program.addCommand(inherit(make()))
  return inherit(program)
}

/** Errors reach `main`; commander would end the process by itself, also for commands within commands. */
function inherit(command: Command): Command {
  command.exitOverride().showHelpAfterError('(--help shows how)')
  for (const inner of command.commands) inherit(inner)
  return command
}
