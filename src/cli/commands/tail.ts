import { Command } from 'commander'
import type { Client, Received } from '../../client/index.ts'
import { CliError } from '../cli-error.ts'
import { connect } from '../connection.ts'
import { examples } from '../examples.ts'
import { wholeNumber } from '../whole-number.ts'

interface TailOptions {
  since?: number
  limit?: number
  follow: boolean
  json?: boolean
  url?: string
  token?: string
}

type Print = (event: Received) => void

export function tailCommand(): Command {
  return new Command('tail')
    .description('print the publications of a channel in order, and go on live')
    .argument('<channel>', 'for instance quakes:all')
    .option(
      '--since <offset>',
      'begin after this offset; 0 is the beginning (default: what comes from now on)',
      wholeNumber,
    )
    .option('--limit <count>', 'stop after so many', wholeNumber)
    .option('--no-follow', 'stop at the head instead of going on live; needs --since')
    .option('--json', 'one JSON object per line')
    .option('--url <address>', 'node to connect to (default: ws://localhost:8000, or HOLDFAST_PORT)')
    .option('--token <jwt>', 'connection token')
    .addHelpText(
      'after',
      examples(
        [
          'everything from the beginning, then live, from the second node',
          'holdfast tail quakes:all --since 0 --url ws://localhost:8001',
        ],
        ['the first ten for another program', 'holdfast tail quakes:all --since 0 --limit 10 --json'],
        ['live signals', 'holdfast tail room:42'],
      ),
    )
    .action(tail)
}

async function tail(channel: string, options: TailOptions): Promise<void> {
  if (!options.follow && options.since === undefined) {
    throw new CliError(
      '--no-follow needs --since, else there is nothing to print',
      'for instance --since 0',
      2,
    )
  }
  if (options.limit === 0) return
  const client = await connect(options)
  const print = options.json ? printJson : printLine
  try {
    await (options.follow
      ? follow(client, channel, options, print)
      : readAll(client, channel, options, print))
  } finally {
    client.disconnect()
  }
}

/** The client keeps the order, closes holes and comes back after lost connections. */
function follow(client: Client, channel: string, options: TailOptions, print: Print): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    const subscription = client.channel(channel).subscribe({
      ...(options.since !== undefined && { since: options.since === 0 ? 'start' : options.since }),
      onEvent: event => {
        if (left === 0) return
        print(event)
        if (--left === 0) {
          subscription.unsubscribe()
          resolve()
        }
      },
      onReset: ({ reason, lost }) => {
        const range = lost ? ` (offsets ${lost.from} to ${lost.to})` : ''
        reject(
          new CliError(
            `${channel} can't be followed without a gap: ${reason}${range}`,
            'begin anew with --since 0',
          ),
        )
      },
      onUnsubscribed: error => reject(refused(channel, error)),
    })
    subscription.ready().catch(error => reject(refused(channel, error)))
  })
}

const pageSize = 300

async function readAll(client: Client, channel: string, options: TailOptions, print: Print): Promise<void> {
  let since = options.since ?? 0
  let left = options.limit ?? Number.POSITIVE_INFINITY
  for (;;) {
    const page = await client
      .channel(channel)
      .history({ since, limit: Math.min(pageSize, left) })
      .catch(error => {
        throw refused(channel, error)
      })
    for (const event of page.events) print(event)
    left -= page.events.length
    since = page.events.at(-1)?.offset ?? page.head
    if (left <= 0 || since >= page.head) return
  }
}

function refused(channel: string, error: { code?: number; message: string }): CliError {
  const remedies: Readonly<Record<number, string>> = {
    102: 'its namespace (the part before the first ":") is not in the configuration',
    103: 'the token, or allow.subscribe of its namespace, must permit it',
    108: 'this channel keeps no history: leave out --since',
  }
  const remedy = error.code === undefined ? undefined : remedies[error.code]
  return new CliError(`${channel}: ${error.message}${error.code ? ` (${error.code})` : ''}`, remedy)
}

function printJson(event: Received): void {
  const { channel, offset, time, id, type, data } = event
  console.log(JSON.stringify({ channel, offset, time, id, type, data }))
}

function printLine(event: Received): void {
  const time = event.time === undefined ? '' : new Date(event.time).toISOString()
  const parts = [event.offset?.toString().padStart(6), time, event.type, JSON.stringify(event.data)]
  console.log(parts.filter(Boolean).join('  '))
}
