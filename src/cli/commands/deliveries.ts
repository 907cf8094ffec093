import { Command } from 'commander'
import { normalizeEventId } from '../../domain/index.ts'
import { CliError } from '../cli-error.ts'
import { storyText } from '../delivery-output.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { wholeNumber } from '../whole-number.ts'

export function deliveriesCommand(): Command {
  return new Command('deliveries')
    .description('what has become of an event: in the ledger, and with each group and rule')
    .argument('<event>', 'the event’s id, or the channel it is in')
    .argument('[offset]', 'with a channel: its offset', wholeNumber)
    .option('--json', 'print a list of events as JSON; an id may be in several channels')
    .addHelpText(
      'after',
      `\nIn SQL: select * from holdfast.event_story('order:7', 3), or ('<the event's id>')\n${examples(
        ['by id', 'holdfast deliveries 018f2e66-1c8a-7d1e-9e6d-0c4fb1a4e6a7'],
        ['by place', 'holdfast deliveries order:7 3'],
      )}`,
    )
    .action(deliveries)
}

async function deliveries(
  event: string,
  offset: number | undefined,
  options: { json?: boolean },
): Promise<void> {
  const id = normalizeEventId(event)
  if (id === undefined && offset === undefined)
    throw new CliError(`${event} is no event’s id`, 'of a channel, give the offset too', 2)
  const { createOperations } = await import('../../durable/index.ts')
  const stories = await onDatabase('deliveries', sql =>
    createOperations(sql).deliveries.ofEvent(
      offset === undefined ? { id: id ?? '' } : { channel: event, offset },
    ),
  )
  if (options.json) return console.log(JSON.stringify(stories))
  if (stories.length === 0) {
    throw new CliError(
      offset === undefined ? `no event ${event} is known` : `${event} has no offset ${offset}`,
      'it was never recorded, or retention has removed it and every trace of its deliveries',
    )
  }
  console.log(stories.map(storyText).join('\n\n'))
}
