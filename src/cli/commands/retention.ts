import { Command } from 'commander'
import type { NamespaceRetention } from '../../durable/index.ts'
import { parseConfig } from '../../platform/index.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { table, timeText, withProgress } from '../output.ts'

export function retentionCommand(): Command {
  return new Command('retention')
    .description('what the namespaces no longer keep, and what is kept for whom')
    .addCommand(statusCommand())
}

function statusCommand(): Command {
  return new Command('status')
    .description('by namespace: what is due for removal, and which group, delivery or cursor holds it back')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `\nThe namespaces are those of HOLDFAST_CONFIG.\n${examples([
        'why does the ledger not get smaller?',
        'HOLDFAST_CONFIG=holdfast.json holdfast retention status',
      ])}`,
    )
    .action(status)
}

async function status(options: { json?: boolean }): Promise<void> {
  const { namespaces } = parseConfig(await loadConfig(process.env))
  const { createOperations } = await import('../../durable/index.ts')
  const found = await onDatabase('retention status', async sql => {
    const { retention } = createOperations(sql)
    const steps = await retention.steps(namespaces)
    return withProgress('looking', steps, step => retention.status(namespaces, () => step()))
  })
  if (options.json) console.log(JSON.stringify(found))
  else if (found.length === 0) console.log('no durable namespace of the configuration has a retention')
  else console.log(readable(found))
}

function readable(found: readonly NamespaceRetention[]): string {
  const rules = table(
    ['NAMESPACE', 'KEEPS', 'DUE CHANNELS', 'DUE EVENTS', 'HELD BY'],
    found.map(one => [
      one.namespace || '(none)',
      kept(one),
      one.due.channels,
      one.due.events,
      one.heldBy.length === 0 ? 'nobody' : `${one.heldBy.length}, see below`,
    ]),
  )
  const holders = found.flatMap(({ namespace, heldBy }) =>
    heldBy.map(({ holder, channels, since }) => [namespace, holder, channels, timeText(since)]),
  )
  if (holders.length === 0) return rules
  return `${rules}\n\n${table(['NAMESPACE', 'HELD BY', 'CHANNELS', 'NOT MOVED SINCE'], holders)}`
}

function kept({ maxAgeSeconds, maxEvents }: NamespaceRetention): string {
  const age = maxAgeSeconds > 0 ? [`${maxAgeSeconds.toLocaleString('en')} s`] : []
  const count = maxEvents > 0 ? [`${maxEvents.toLocaleString('en')} events a channel`] : []
  return [...age, ...count].join(', ')
}
