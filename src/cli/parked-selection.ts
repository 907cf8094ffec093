import type { Command } from 'commander'
import type { ParkedFilter, Selection } from '../durable/index.ts'
import { ageInSeconds } from './ages.ts'
import { CliError } from './cli-error.ts'

/** Options that say which parked deliveries. */
export interface FilterOptions {
  consumer?: string
  channel?: string
  namespace?: string
  type?: string
  parkedFor?: string
  olderThan?: number
  newerThan?: number
}

export function withFilters(command: Command): Command {
  return command
    .option('--consumer <name>', 'of this group or rule, as group/receipts or rule/shipping')
    .option('--channel <name>', 'of this channel')
    .option('--namespace <name>', 'of the channels of this namespace')
    .option('--type <type>', 'of events of this type')
    .option('--parked-for <text>', 'whose reason contains this')
    .option('--older-than <age>', 'parked at least so long ago, as 90s, 15m, 12h, 30d', ageInSeconds)
    .option('--newer-than <age>', 'parked less long ago', ageInSeconds)
}

export function filterOf(options: FilterOptions): ParkedFilter {
  const { consumer, channel, namespace, type, parkedFor, olderThan, newerThan } = options
  return {
    ...{ consumer, channel, namespace, type },
    reason: parkedFor,
    olderThanSeconds: olderThan,
    newerThanSeconds: newerThan,
  }
}

/** @throws CliError where nothing is selected, or in two ways: a slip must not hit everything */
export function selectionOf(ids: readonly number[], options: FilterOptions & { all?: boolean }): Selection {
  const filter = filterOf(options)
  const filtered = Object.values(filter).some(value => value !== undefined)
  const ways = [ids.length > 0, filtered, options.all === true].filter(Boolean).length
  if (ways === 1) return ids.length > 0 ? { ids } : { filter }
  throw new CliError(
    ways === 0 ? 'which deliveries?' : 'expected ids, or options that select, or --all',
    'give ids ("holdfast parked list" shows them), options such as --consumer, or --all',
    2,
  )
}
