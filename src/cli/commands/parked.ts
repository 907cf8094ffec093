import { Command, InvalidArgumentError } from 'commander'
import type { Operations, Selection } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { deliveryTable, inspectionText, plural, previewText } from '../delivery-output.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor, withProgress } from '../output.ts'
import { type FilterOptions, filterOf, selectionOf, withFilters } from '../parked-selection.ts'
import { wholeNumber } from '../whole-number.ts'

export function parkedCommand(): Command {
  return new Command('parked')
    .description('deliveries that were set aside: look at them, have them handled again, or take them out')
    .addCommand(listCommand())
    .addCommand(inspectCommand())
    .addCommand(redriveCommand())
    .addCommand(discardCommand())
}

type ListOptions = FilterOptions & { limit: number; after?: number; json?: boolean }

function listCommand(): Command {
  return withFilters(new Command('list').description('what is parked, the oldest first'))
    .option('--limit <count>', 'how many to show', wholeNumber, 50)
    .option('--after <id>', 'go on after this delivery', wholeNumber)
    .option('--json', 'print {deliveries, count, next} as JSON')
    .addHelpText(
      'after',
      examples(
        ['everything', 'holdfast parked list'],
        [
          'what a group could not handle yesterday',
          'holdfast parked list --consumer group/receipts --older-than 1d',
        ],
      ),
    )
    .action(async (options: ListOptions) => {
      const page = await operate('parked list', operations =>
        operations.deliveries.list(filterOf(options), { after: options.after, limit: options.limit }),
      )
      if (options.json) return console.log(JSON.stringify(page))
      if (page.count === 0) return console.log('nothing that is parked matches')
      console.log(deliveryTable(page.deliveries))
      if (page.next !== undefined) console.log(`\n${page.count} in all; go on with --after ${page.next}`)
    })
}

function inspectCommand(): Command {
  return new Command('inspect')
    .description('one delivery, with its event, what waits behind it, and what was done to it')
    .argument('<id>', 'the delivery’s id', deliveryId)
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['why is it parked?', 'holdfast parked inspect 17']))
    .action(async (id: number, options: { json?: boolean }) => {
      const found = await operate('parked inspect', operations => operations.deliveries.inspect(id))
      if (!found)
        throw new CliError(`there is no delivery ${id} (any more)`, '"holdfast parked list" shows them')
      console.log(options.json ? JSON.stringify(found) : inspectionText(found))
    })
}

type DecisionOptions = FilterOptions & {
  all?: boolean
  inOrder?: boolean
  reason?: string
  preview?: boolean
  yes?: boolean
  by?: string
  json?: boolean
}

function redriveCommand(): Command {
  const command = new Command('redrive')
    .description('have parked deliveries handled again, after showing which')
    .argument('[ids...]', 'the deliveries’ ids', deliveryIds)
    .option('--in-order', 'with --channel: free the first one, and let the others follow in their order')
  return withDecision(command)
    .addHelpText(
      'after',
      examples(
        ['two of them', 'holdfast parked redrive 17 18'],
        [
          'all that failed for one reason, after a look',
          'holdfast parked redrive --consumer group/receipts --parked-for "no such account"',
        ],
        ['a channel, in its order', 'holdfast parked redrive --channel order:7 --in-order --yes'],
      ),
    )
    .action((ids: number[], options: DecisionOptions) => decide('redrive', ids, options))
}

function discardCommand(): Command {
  const command = new Command('discard')
    .description('take parked deliveries out for good; what waits behind them goes on')
    .argument('[ids...]', 'the deliveries’ ids', deliveryIds)
    .requiredOption('--reason <text>', 'why, for those who ask later')
  return withDecision(command)
    .addHelpText(
      'after',
      examples(
        ['one', 'holdfast parked discard 17 --reason "paid by hand, see ticket 4711"'],
        [
          'everything of a type',
          'holdfast parked discard --type Test --reason "made by a load test" --by anna',
        ],
      ),
    )
    .action((ids: number[], options: DecisionOptions) => decide('discard', ids, options))
}

function withDecision(command: Command): Command {
  return withFilters(command)
    .option('--all', 'every parked delivery')
    .option('--preview', 'only show which')
    .option('--yes', 'do not ask')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--json', 'print {changed, notParked} as JSON; needs --yes, or --preview')
}

async function decide(
  act: 'redrive' | 'discard',
  ids: readonly number[],
  options: DecisionOptions,
): Promise<void> {
  const selection = selectionOf(ids, options)
  if (options.inOrder) checkInOrder(selection)
  if (options.json && !options.yes && !options.preview)
    throw new CliError('this has to be confirmed', 'repeat it with --yes, or look with --preview', 2)
  const actor = options.by ?? currentActor()
  await operate(`parked ${act}`, async ({ deliveries }) => {
    const preview = await deliveries.preview(selection)
    if (options.preview) return console.log(options.json ? JSON.stringify(preview) : previewText(preview))
    if (!options.json) console.log(previewText(preview))
    const question = `${act} ${plural(preview.count, 'delivery', 'deliveries')}?`
    if (preview.count > 0 && !options.yes && !(await confirmed(question)))
      throw new CliError('nothing was changed: it was not confirmed')
    if (options.inOrder) {
      const { channel = '', consumer } = options
      const { changed } = await deliveries.redriveChannel(channel, { actor, consumer })
      console.log(
        options.json ? JSON.stringify({ changed }) : `${plural(changed, 'delivery', 'deliveries')} set free`,
      )
      return
    }
    const shown = { ...selection, at: preview.at }
    const result = await withProgress(act, preview.count, step =>
      act === 'redrive'
        ? deliveries.redrive(shown, { actor }, step)
        : deliveries.discard(shown, { actor, reason: options.reason ?? '' }, step),
    )
    if (options.json) return console.log(JSON.stringify(result))
    const verb = act === 'redrive' ? 'set free' : 'discarded'
    const rest = result.notParked > 0 ? `; ${result.notParked} were not parked any more` : ''
    console.log(`${plural(result.changed, 'delivery', 'deliveries')} ${verb}${rest}`)
  })
}

/** A channel is set free as a whole, of one consumer or of all. */
function checkInOrder(selection: Selection): void {
  const { channel, consumer: _, ...others } = 'filter' in selection ? selection.filter : {}
  if (channel !== undefined && Object.values(others).every(value => value === undefined)) return
  throw new CliError(
    '--in-order goes with --channel, and beside it with --consumer only',
    'for instance --channel order:7 --in-order',
    2,
  )
}

async function operate<T>(command: string, work: (operations: Operations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(command, sql => work(createOperations(sql)))
}

function deliveryId(text: string): number {
  const id = wholeNumber(text)
  if (id === 0) throw new InvalidArgumentError('a delivery’s id is 1 or more')
  return id
}

function deliveryIds(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), deliveryId(text)]
}
