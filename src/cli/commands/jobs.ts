import { Command } from 'commander'
import type { RuleSummary } from '../../durable/index.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { table, timeText } from '../output.ts'

export function jobsCommand(): Command {
  return new Command('jobs')
    .description('rules that turn events into jobs, with their deliveries by state')
    .option('--json', 'print a list of rules as JSON')
    .addHelpText(
      'after',
      `\nQUEUED waits for its turn or its next attempt, FAILING of those has failed at least once.\n${examples(
        ['how are they?', 'holdfast jobs'],
        ['what has become of one event', 'holdfast deliveries 018f2e66-1c8a-7d1e-9e6d-0c4fb1a4e6a7'],
        ['what was set aside', 'holdfast parked list --consumer rule/mail'],
      )}`,
    )
    .action(async (options: { json?: boolean }) => {
      const { createOperations } = await import('../../durable/index.ts')
      const rules = await onDatabase('jobs', sql => createOperations(sql).jobs.rules())
      if (options.json) return console.log(JSON.stringify(rules))
      console.log(rules.length === 0 ? 'no process has declared a rule' : listed(rules))
    })
}

function listed(rules: readonly RuleSummary[]): string {
  return table(
    ['RULE', 'ON', 'TO', 'STATE', 'QUEUED', 'FAILING', 'PARKED', 'DONE', 'DISCARDED', 'OLDEST OPEN'],
    rules.map(rule => [
      rule.name,
      `${rule.channel} ${rule.types?.join(',') ?? '*'}`,
      rule.to === null ? rule.target : `${rule.target} ${rule.to}`,
      rule.known ? 'declared' : 'no process declares it',
      ...[rule.queued, rule.failing, rule.parked, rule.done, rule.discarded],
      timeText(rule.oldestOpen),
    ]),
  )
}
