import { Command, InvalidArgumentError } from 'commander'
import type { OutboxOperations, OutboxStatus, RefusedRow, RefusedSelection } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { plural } from '../delivery-output.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor, table, timeText, withProgress } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

export function outboxCommand(): Command {
  return new Command('outbox')
    .description(
      'events that applications have recorded in their own transactions: what waits, what was refused',
    )
    .addCommand(statusCommand())
    .addCommand(refusedCommand())
    .addCommand(retryCommand())
    .addCommand(discardCommand())
}

function statusCommand(): Command {
  return new Command('status')
    .description('how many events wait for the relay, since when, and how many were refused')
    .option('--json', 'print {waiting, oldestSeconds, refused} as JSON')
    .addHelpText('after', examples(['does the relay keep up?', 'holdfast outbox status']))
    .action(async (options: { json?: boolean }) => {
      const status = await operate('status', outbox => outbox.status())
      console.log(options.json ? JSON.stringify(status) : statusText(status))
    })
}

function refusedCommand(): Command {
  return new Command('refused')
    .description('events that the ledger cannot take, with the reason, the oldest first')
    .option('--limit <count>', 'how many to show', wholeNumber, 50)
    .option('--after <id>', 'go on after this row', wholeNumber)
    .option('--json', 'print them as JSON, with the beginning of their data')
    .addHelpText('after', examples(['what is wrong with them?', 'holdfast outbox refused']))
    .action(async ({ limit, after, json }: { limit: number; after?: number; json?: boolean }) => {
      const rows = await operate('refused', outbox => outbox.refused({ limit, after }))
      if (json) return console.log(JSON.stringify(rows))
      if (rows.length === 0) return console.log('nothing is refused')
      console.log(refusedTable(rows))
      if (rows.length === limit) console.log(`\nthere may be more: go on with --after ${rows.at(-1)?.id}`)
    })
}

interface DecisionOptions {
  all?: boolean
  reason?: string
  yes?: boolean
  by?: string
  json?: boolean
}

function retryCommand(): Command {
  return withDecision(
    new Command('retry').description('relay refused events once more, behind what waits already'),
  )
    .option('--reason <text>', 'why, for those who ask later')
    .addHelpText(
      'after',
      examples(
        ['their namespace is declared now', 'holdfast outbox retry --all'],
        ['two of them', 'holdfast outbox retry 17 18'],
      ),
    )
    .action((ids: number[], options: DecisionOptions) => retry(ids, options))
}

function discardCommand(): Command {
  return withDecision(
    new Command('discard').description('remove refused events for good: they will never be recorded'),
  )
    .requiredOption('--reason <text>', 'why, for those who ask later')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples(['one', 'holdfast outbox discard 17 --reason "made by a load test"']))
    .action((ids: number[], options: DecisionOptions) => discard(ids, options))
}

function withDecision(command: Command): Command {
  return command
    .argument('[ids...]', 'the rows’ ids', rowIds)
    .option('--all', 'everything that is refused')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--json', 'print {changed} as JSON')
}

async function retry(ids: readonly number[], options: DecisionOptions): Promise<void> {
  const rows = selectionOf(ids, options)
  const { by: actor = currentActor(), reason } = options
  const changed = await operate('retry', outbox =>
    withSteps(outbox, 'retried', rows, step => outbox.retry(rows, { actor, reason, step })),
  )
  console.log(options.json ? JSON.stringify({ changed }) : `${events(changed)} put at the end of the outbox`)
}

async function discard(ids: readonly number[], options: DecisionOptions): Promise<void> {
  const rows = selectionOf(ids, options)
  const { by: actor = currentActor(), reason = '' } = options
  const what = rows === 'all' ? 'everything that is refused' : events(rows.length)
  if (!options.yes && !(await confirmed(`Remove ${what} from the outbox for good?`)))
    throw new CliError('nothing was changed: it was not confirmed')
  const changed = await operate('discard', outbox =>
    withSteps(outbox, 'discarded', rows, step => outbox.discard(rows, { actor, reason, step })),
  )
  console.log(options.json ? JSON.stringify({ changed }) : `${events(changed)} discarded`)
}

async function withSteps(
  outbox: OutboxOperations,
  verb: string,
  rows: RefusedSelection,
  work: (step: (rows: number) => void) => Promise<number>,
): Promise<number> {
  const total = rows === 'all' ? (await outbox.status()).refused : rows.length
  return withProgress(verb, total, work)
}

async function operate<T>(command: string, work: (outbox: OutboxOperations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(`outbox ${command}`, sql => work(createOperations(sql).outbox))
}

/** @throws CliError where nothing is selected, or in two ways */
function selectionOf(ids: readonly number[], { all = false }: DecisionOptions): RefusedSelection {
  if (ids.length > 0 !== all) return all ? 'all' : ids
  throw new CliError(
    all ? 'expected ids or --all, got both' : 'which events?',
    'give ids ("holdfast outbox refused" shows them), or --all',
    2,
  )
}

function statusText({ waiting, oldestSeconds, refused }: OutboxStatus): string {
  const since = waiting > 0 ? `, the oldest for ${oldestSeconds.toFixed(1)} s` : ''
  const help = refused > 0 ? ' ("holdfast outbox refused" says why)' : ''
  const count = (n: number) => n.toLocaleString('en')
  return `waiting  ${count(waiting)}${since}\nrefused  ${count(refused)}${help}`
}

function refusedTable(rows: readonly RefusedRow[]): string {
  return table(
    ['ID', 'CHANNEL', 'TYPE', 'BYTES', 'SINCE', 'REASON'],
    rows.map(row => [String(row.id), row.channel, row.type, row.bytes, timeText(row.created), row.reason]),
  )
}

function events(count: number): string {
  return plural(count, 'event', 'events')
}

function rowIds(text: string, before: number[] | undefined): number[] {
  const id = wholeNumber(text)
  if (id === 0) throw new InvalidArgumentError('a row’s id is 1 or more')
  return [...(before ?? []), id]
}
