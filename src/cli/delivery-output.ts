import type { Act, Delivery, EventStory, Inspection, Preview } from '../durable/index.ts'
import { table, timeText } from './output.ts'

const maxReason = 60

export function deliveryTable(deliveries: readonly Delivery[]): string {
  return table(
    ['ID', 'CONSUMER', 'CHANNEL', 'OFFSET', 'TYPE', 'ATTEMPTS', 'SINCE', 'REASON'],
    deliveries.map(one => [
      String(one.id),
      one.consumer,
      one.channel,
      one.offset,
      one.eventType,
      one.attempts,
      timeText(one.updated),
      short(one.reason),
    ]),
  )
}

export function previewText({ count, reasons, sample }: Preview): string {
  if (count === 0) return 'nothing that is parked matches'
  return [
    table(
      ['COUNT', 'CONSUMER', 'REASON'],
      reasons.map(one => [one.count, one.consumer, short(one.reason)]),
    ),
    '',
    `${plural(count, 'parked delivery', 'parked deliveries')}, ${count > sample.length ? 'the first of them' : 'which are'}:`,
    deliveryTable(sample),
  ].join('\n')
}

export function inspectionText({ delivery, event, behind, acts }: Inspection): string {
  const lines = [
    `delivery   ${delivery.id} of ${delivery.consumer}, ${delivery.state} since ${timeText(delivery.updated)}`,
    `event      ${delivery.channel} ${delivery.offset}, ${delivery.eventType}, id ${delivery.eventId}`,
    `place      partition ${delivery.partition}, position ${delivery.position}`,
    `attempts   ${delivery.attempts}`,
    `reason     ${delivery.reason ?? ''}`,
    event
      ? `recorded   ${timeText(event.time)}${event.meta === null ? '' : ` by ${event.meta}`}`
      : 'recorded   retention has removed the event',
    ...(event ? [`data       ${event.data}`] : []),
    `behind it  ${behind.count === 0 ? 'nothing waits' : `${plural(behind.count, 'event waits', 'events wait')}: offsets ${offsets(behind)}`}`,
  ]
  return [...lines, ...actLines(acts)].join('\n')
}

function offsets({ count, first }: Inspection['behind']): string {
  return first.map(one => one.offset).join(', ') + (count > first.length ? ' …' : '')
}

const ledgers: Readonly<Record<EventStory['ledger'], string>> = {
  recorded: 'in the ledger',
  erased: 'erased: its place is in the ledger, its content is not',
  removed: 'removed from the ledger by retention',
}

export function storyText(story: EventStory): string {
  const { channel, offset, eventId, type, recorded, consumers } = story
  return [
    `event      ${channel} ${offset}${type === null ? '' : `, ${type}`}${eventId === null ? '' : `, id ${eventId}`}`,
    ...(recorded === null ? [] : [`recorded   ${timeText(recorded)}`]),
    `ledger     ${ledgers[story.ledger]}${story.position === null ? '' : ` (partition ${story.partition}, position ${story.position})`}`,
    ...(consumers.length === 0
      ? ['consumers  none']
      : [
          '',
          table(
            ['CONSUMER', 'STATE', 'DELIVERY', 'ATTEMPTS', 'DUE', 'SINCE', 'BY', 'REASON'],
            consumers.map(one => [
              one.consumer,
              one.state,
              one.delivery === null ? '' : String(one.delivery),
              one.attempts ?? '',
              timeText(one.due),
              timeText(one.updated),
              one.actor,
              short(one.reason),
            ]),
          ),
        ]),
    ...actLines(story.acts),
  ].join('\n')
}

function actLines(acts: readonly Act[]): string[] {
  if (acts.length === 0) return []
  const rows = acts.map(one => [timeText(one.time), one.actor, one.act, one.target, one.reason])
  return ['', table(['WHEN', 'WHO', 'DID', 'TO', 'REASON'], rows)]
}

export function plural(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** A reason on one line of a table; the whole of it is in `inspect` and in JSON. */
function short(reason: string | null): string {
  const line = (reason ?? '').replace(/\s+/g, ' ')
  return line.length > maxReason ? `${line.slice(0, maxReason - 1)}…` : line
}
