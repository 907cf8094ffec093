import { Command } from 'commander'
import { createLogger, parseRedis, redisTarget } from '../../platform/index.ts'
import { CliError } from '../cli-error.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface EraseOptions {
  reason: string
  by?: string
  yes?: boolean
  json?: boolean
}

export function eraseCommand(): Command {
  return new Command('erase')
    .description('take away what an event says, for good; its id, offset and time stay')
    .argument('<channel>', 'for instance order:7')
    .argument('<offset>', 'which event of it', wholeNumber)
    .requiredOption('--reason <text>', 'why, for those who ask later; it becomes part of an event')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--yes', 'do not ask')
    .option('--json', 'print {channel, offset, id, already, redis} as JSON; needs --yes')
    .addHelpText(
      'after',
      `\nThe copies in Redis go at once where REDIS_URL can be reached, else when a node runs again. What clients and handlers
have received, and backups and archived logs of Postgres, are beyond its reach.\n${examples([
        'a person asks for it',
        'holdfast erase order:7 3 --reason "request 2291"',
      ])}`,
    )
    .action(erase)
}

async function erase(channel: string, offset: number, options: EraseOptions): Promise<void> {
  if (options.json && !options.yes) throw new CliError('this has to be confirmed', 'repeat it with --yes', 2)
  const { createOperations, forgetNow } = await import('../../durable/index.ts')
  const input = await loadConfig(process.env)
  const log = redisTarget(parseRedis(input.redis), 'log')
  await onDatabase('erase', async sql => {
    const { deliveries, erasure } = createOperations(sql)
    const [story] = await deliveries.ofEvent({ channel, offset })
    if (story && !options.json) console.log(`${channel} ${offset}: ${story.type ?? ''}, id ${story.eventId}`)
    if (!options.yes && !(await confirmed('Erase it? This can’t be taken back.')))
      throw new CliError('nothing was changed: it was not confirmed')
    const actor = options.by ?? currentActor()
    const erased = await erasure.erase({ channel, event: { offset }, actor, reason: options.reason })
    const redis =
      log === undefined
        ? 'not asked'
        : (await forgetNow(sql, log, createLogger('silent')))
          ? 'removed'
          : 'away'
    if (options.json) return console.log(JSON.stringify({ ...erased, redis }))
    console.log(erased.already ? 'it had been erased before' : 'erased from the ledger')
    console.log(redisLine[redis])
  })
}

const redisLine = {
  removed:
    'its copies are removed from the log in Redis; a running node looks once more, and for jobs that carry it',
  away: 'Redis can’t be reached: a node removes the copies when it is back',
  'not asked': 'no Redis is configured here: a running node removes the copies from Redis',
} as const
