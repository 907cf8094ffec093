import { Command } from 'commander'
import type { CursorFilter, ListedCursor, Operations } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor, table, timeText, withProgress } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface ListOptions extends CursorFilter {
  readonly limit: number
  readonly after?: string
  readonly json?: boolean
}

export function cursorsCommand(): Command {
  return withFilter(new Command('cursors'))
    .description('where users have got to in durable channels, and how far behind they are')
    .option('--limit <count>', 'how many to show', wholeNumber, 50)
    .option('--after <next>', 'go on where the page before ended')
    .option('--json', 'print {cursors, next} as JSON')
    .addHelpText(
      'after',
      examples(
        ['how far behind is everyone in a channel?', 'holdfast cursors --channel order:7'],
        ['the cursors of one user, for another program', 'holdfast cursors --user anna --json'],
      ),
    )
    .action(list)
    .addCommand(removeCommand())
}

function withFilter(command: Command): Command {
  return command
    .option('--channel <name>', 'in this channel')
    .option('--user <id>', 'of this user')
    .option('--name <cursor>', 'with this name')
}

async function list(options: ListOptions): Promise<void> {
  if (options.limit === 0) throw new CliError('expected a --limit from 1 on, got 0', undefined, 2)
  const { channel, user, name, limit, after } = options
  const page = await operate('cursors', ({ cursors }) =>
    cursors.list({ channel, user, name }, { limit, after }),
  )
  if (options.json) return console.log(JSON.stringify(page))
  if (page.cursors.length === 0) return console.log('no cursor matches')
  console.log(
    table(['CHANNEL', 'USER', 'CURSOR', 'OFFSET', 'HEAD', 'LAG', 'MOVED', ''], page.cursors.map(rowOf)),
  )
  if (page.next !== undefined) console.log(`\nthere are more; go on with --after ${page.next}`)
}

function rowOf(cursor: ListedCursor) {
  const { channel, user, name, offset, head, lag, moved } = cursor
  const notes = [
    cursor.valid ? '' : `of the past epoch ${cursor.epoch}`,
    cursor.holding ? 'retention waits for it' : '',
  ]
  return [channel, user, name, offset, head, lag, timeText(moved), notes.filter(Boolean).join(', ')]
}

interface RemoveOptions extends CursorFilter {
  readonly reason?: string
  readonly by?: string
  readonly yes?: boolean
  readonly json?: boolean
}

function removeCommand(): Command {
  return (
    withFilter(new Command('remove'))
      .description('remove cursors of a user, or in a channel: whoever comes back with one begins anew')
      .option('--reason <text>', 'why, for those who ask later')
      .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
      .option('--yes', 'do not ask')
      .option('--json', 'print {removed} as JSON; needs --yes')
      .addHelpText(
        'after',
        examples(
          ['one', 'holdfast cursors remove --channel order:7 --user anna --name inbox'],
          [
            'all of a user who has left',
            'holdfast cursors remove --user anna --reason "account closed" --yes',
          ],
        ),
      )
      // commander gives options that the list has too to the list, wherever they stand.
      .action((_: unknown, command: Command) => remove(command.optsWithGlobals()))
  )
}

async function remove(options: RemoveOptions): Promise<void> {
  const { channel, user, name, reason } = options
  if (channel === undefined && user === undefined)
    throw new CliError('whose cursors?', 'give --channel, --user, or both', 2)
  if (options.json && !options.yes) throw new CliError('this has to be confirmed', 'repeat it with --yes', 2)
  const filter = { channel, user, name }
  await operate('cursors remove', async ({ cursors }) => {
    const count = await cursors.count(filter)
    if (count > 0 && !options.yes && !(await confirmed(`remove ${numbered(count)}?`)))
      throw new CliError('nothing was changed: it was not confirmed')
    const removed = await withProgress('remove', count, step =>
      cursors.remove({ ...filter, reason, actor: options.by ?? currentActor() }, step),
    )
    console.log(options.json ? JSON.stringify({ removed }) : `${numbered(removed)} removed`)
  })
}

function numbered(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'cursor' : 'cursors'}`
}

async function operate<T>(command: string, work: (operations: Operations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(command, sql => work(createOperations(sql)))
}
