import { Command } from 'commander'
import { parseConfig } from '../../platform/index.ts'
import { CliError } from '../cli-error.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'

interface TokenOptions {
  user: string
  channel?: string
  client?: string
  channels?: string
  info?: string
  expires: string
  json?: boolean
}

export function tokenCommand(): Command {
  return new Command('token')
    .description('make a connection token, or a channel token with --channel')
    .requiredOption('--user <id>', 'whom it is for; "" for an anonymous user')
    .option('--channel <name>', 'make a token for this channel')
    .option('--client <id>', 'channel token: for this connection only')
    .option(
      '--channels <names>',
      'connection token: subscribe to these from the server side, separated by commas',
    )
    .option('--info <json>', 'what others see of the user')
    .option('--expires <time>', 'how long it is valid, as 90s, 15m, 12h, 30d, or never', '1h')
    .option('--json', 'print it with its expiry as JSON')
    .addHelpText(
      'after',
      `\nThe secret is HOLDFAST_TOKEN_HMAC_SECRET, or auth.token.hmacSecret of HOLDFAST_CONFIG.\n${examples(
        ['let Anna connect for an hour', 'holdfast token --user anna'],
        ['let her into a private channel', "holdfast token --user anna --channel '$room:7' --expires 10m"],
      )}`,
    )
    .action(token)
}

async function token(options: TokenOptions): Promise<void> {
  const config = parseConfig(await loadConfig(process.env))
  const ttlSeconds = seconds(options.expires)
  const { createToken } = await import('../../gateway/index.ts')
  const made = await createToken(config.auth.token, {
    user: options.user,
    channel: options.channel,
    client: options.client,
    channels: options.channels?.split(',').map(name => name.trim()),
    info: options.info === undefined ? undefined : json(options.info),
    ttlSeconds,
  })
  const expires = ttlSeconds === undefined ? null : new Date(Date.now() + ttlSeconds * 1_000).toISOString()
  console.log(options.json ? JSON.stringify({ token: made, expires }) : made)
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

function seconds(text: string): number | undefined {
  if (text === 'never') return undefined
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  if (amount && unit) return Number(amount) * (units[unit] ?? 1)
  throw new CliError(
    `expected a time as 90s, 15m, 12h, 30d or never, got ${JSON.stringify(text)}`,
    undefined,
    2,
  )
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CliError(`--info is no JSON: ${(error as Error).message}`, undefined, 2)
  }
}
