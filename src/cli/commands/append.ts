import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { newEventId } from '../../domain/index.ts'
import { appendOverHttp, type EventToAppend, type Recorded, unknownOutcome } from '../append-over-http.ts'
import { CliError } from '../cli-error.ts'
import { connect, httpAddress } from '../connection.ts'
import { examples } from '../examples.ts'
import { wholeNumber } from '../whole-number.ts'

interface AppendOptions {
  id?: string
  expectedOffset?: number
  url?: string
  token?: string
  apiKey?: string
  timeout: number
  json?: boolean
}

export function appendCommand(): Command {
  return new Command('append')
    .description('record an event in a durable channel, and retry under one id until it is recorded')
    .argument('<channel>', 'for instance chat:lobby')
    .argument('<type>', 'the event’s type')
    .argument('<json>', 'the event’s data; "-" reads it from standard input')
    .option(
      '--id <uuid>',
      'the event’s id; a second append with the same id is a duplicate (default: a new one)',
    )
    .option('--expected-offset <offset>', 'only if the channel’s head is exactly this', wholeNumber)
    .option('--url <address>', 'node to connect to (default: http://localhost:8000, or HOLDFAST_PORT)')
    .option('--token <jwt>', 'connection token, to append as a client over a socket')
    .option('--api-key <key>', 'append as the server over the HTTP API (default: HOLDFAST_API_KEY)')
    .option('--timeout <seconds>', 'how long to retry', wholeNumber, 30)
    .option('--json', 'print {offset, id, duplicate} as JSON')
    .addHelpText(
      'after',
      examples(
        ['say something', `holdfast append chat:lobby Said '{"text":"hello"}'`],
        [
          'once and never twice, however often it is run',
          `holdfast append order:7 Paid '{"cents":4200}' --id 018f…`,
        ],
      ),
    )
    .action(append)
}

async function append(channel: string, type: string, json: string, options: AppendOptions): Promise<void> {
  const data = json === '-' ? await text(process.stdin) : json
  try {
    JSON.parse(data)
  } catch (error) {
    throw new CliError(
      `the data is no JSON: ${(error as Error).message}`,
      `quote it for the shell: '{"text":"hello"}'`,
      2,
    )
  }
  const event = {
    channel,
    type,
    data,
    id: options.id ?? newEventId(),
    expectedOffset: options.expectedOffset,
  }
  const signal = AbortSignal.timeout(options.timeout * 1_000)
  const apiKey = options.apiKey ?? process.env['HOLDFAST_API_KEY']
  const recorded = await (apiKey && options.token === undefined
    ? appendOverHttp(httpAddress(options.url), apiKey, event, signal)
    : appendOverSocket(event, options, signal))
  const { offset, id, duplicate } = recorded
  if (options.json) console.log(JSON.stringify({ offset, id, duplicate }))
  else console.log(`${channel} offset ${offset}, id ${id}${duplicate ? ' (it was there already)' : ''}`)
}

async function appendOverSocket(
  event: EventToAppend,
  options: AppendOptions,
  signal: AbortSignal,
): Promise<Recorded> {
  const client = await connect(options)
  try {
    const { id, expectedOffset } = event
    return await client.channel(event.channel).append(event.type, JSON.parse(event.data), {
      id,
      signal,
      ...(expectedOffset !== undefined && { expectedOffset }),
    })
  } catch (error) {
    const { code, message } = error as { code?: number | string; message: string }
    if (signal.aborted) throw unknownOutcome(event.id, '')
    throw new CliError(`not recorded: ${message}${typeof code === 'number' ? ` (${code})` : ''}`)
  } finally {
    client.disconnect()
  }
}
