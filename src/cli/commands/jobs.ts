import { Command } from 'commander'
import type { JobOperations, RuleSummary } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor, table, timeText } from '../output.ts'

export function jobsCommand(): Command {
  return new Command('jobs')
    .description('rules that turn events into jobs: their deliveries by state; end one')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(removeCommand())
}

function listCommand(): Command {
  return new Command('list')
    .description('every rule with its deliveries by state')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `\nQUEUED waits for its turn or its next attempt, FAILING of those has failed at least once.\n${examples(
        ['how are they?', 'holdfast jobs'],
        ['what has become of one event', 'holdfast deliveries 018f2e66-1c8a-7d1e-9e6d-0c4fb1a4e6a7'],
        ['what was set aside', 'holdfast parked list --consumer rule/mail'],
      )}`,
    )
    .action(async (options: { json?: boolean }) => {
      const rules = await operate('list', jobs => jobs.rules())
      if (options.json) return console.log(JSON.stringify(rules))
      console.log(rules.length === 0 ? 'no process has declared a rule' : listed(rules))
    })
}

interface RemoveOptions {
  yes?: boolean
  json?: boolean
  by?: string
  reason?: string
}

function removeCommand(): Command {
  return new Command('remove')
    .description('end a rule that no process declares any more, and discard what it owes')
    .argument('<name>', 'the rule’s name')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--reason <text>', 'why, for those who ask later')
    .option('--yes', 'do not ask')
    .option('--json', 'print {discarded} as JSON; needs --yes')
    .addHelpText(
      'after',
      `\nUntil then, for a week, it is applied by the processes that have other rules.\n${examples([
        'it was taken out of the configuration for good',
        'holdfast jobs remove mail',
      ])}`,
    )
    .action(remove)
}

async function remove(name: string, options: RemoveOptions): Promise<void> {
  const by = { actor: options.by ?? currentActor(), reason: options.reason }
  const { discarded } = await operate('remove', async jobs => {
    const rule = (await jobs.rules()).find(each => each.name === name)
    const owed = (rule?.queued ?? 0) + (rule?.parked ?? 0)
    if (!options.yes && !(await confirmed(`${name} owes ${owed} deliveries. Discard them, and remove it?`)))
      throw new CliError('nothing was changed: it was not confirmed')
    return jobs.removeRule(name, by)
  })
  console.log(
    options.json ? JSON.stringify({ discarded }) : `removed ${name}; ${discarded} deliveries were discarded`,
  )
}

async function operate<T>(command: string, work: (jobs: JobOperations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(`jobs ${command}`, sql => work(createOperations(sql).jobs))
}

function listed(rules: readonly RuleSummary[]): string {
  return table(
    ['RULE', 'ON', 'TO', 'STATE', 'QUEUED', 'FAILING', 'PARKED', 'OLDEST OPEN'],
    rules.map(rule => [
      rule.name,
      `${rule.channel} ${rule.types?.join(',') ?? '*'}`,
      rule.to === null ? rule.target : `${rule.target} ${rule.to}`,
      rule.declared ? 'declared' : 'no process declares it',
      ...[rule.queued, rule.failing, rule.parked],
      timeText(rule.oldestOpen),
    ]),
  )
}
