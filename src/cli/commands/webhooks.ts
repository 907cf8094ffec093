import { Command } from 'commander'
import type { WebhookChange, WebhookOperations, WebhookStatus, WebhookTrial } from '../../durable/index.ts'
import { parseConfig } from '../../platform/index.ts'
import { CliError } from '../cli-error.ts'
import { loadConfig } from '../config-file.ts'
import { plural } from '../delivery-output.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { currentActor, table, timeText } from '../output.ts'

export function webhooksCommand(): Command {
  return new Command('webhooks')
    .description('endpoints of webhooks: how they fare, switching them off and on, trying them')
    .addCommand(listCommand())
    .addCommand(enableCommand())
    .addCommand(disableCommand())
    .addCommand(testCommand())
    .addCommand(secretCommand())
}

interface Options {
  reason?: string
  by?: string
  json?: boolean
}

function listCommand(): Command {
  return new Command('list')
    .description('every webhook that workers have declared: its state, its failures, what it is owed')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['who does not answer?', 'holdfast webhooks list']))
    .action(async (options: Options) => {
      const found = await operate('list', webhooks => webhooks.list())
      if (options.json) return console.log(JSON.stringify(found))
      console.log(found.length === 0 ? 'no worker has declared a webhook' : listed(found))
    })
}

function enableCommand(): Command {
  return new Command('enable')
    .description('send events to a disabled webhook again')
    .argument('<name>', 'the rule’s name')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--json', 'print {changed, parked} as JSON')
    .addHelpText(
      'after',
      `\nWhat was parked while it was disabled stays parked until it is redriven.\n${examples(
        ['their server is repaired', 'holdfast webhooks enable shop'],
        ['and now what was missed', 'holdfast parked redrive --consumer rule/shop'],
      )}`,
    )
    .action(async (name: string, options: Options) => {
      const actor = options.by ?? currentActor()
      const change = await operate('enable', webhooks => webhooks.enable(name, { actor }))
      printChange(name, change, 'enabled', options)
    })
}

function disableCommand(): Command {
  return new Command('disable')
    .description('park the events of a webhook from now on, instead of sending them')
    .argument('<name>', 'the rule’s name')
    .requiredOption('--reason <text>', 'why, for those who ask later')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--json', 'print {changed, parked} as JSON')
    .addHelpText(
      'after',
      examples([
        'they move house',
        'holdfast webhooks disable shop --reason "their server moves, until Monday"',
      ]),
    )
    .action(async (name: string, options: Options) => {
      const { reason = '', by: actor = currentActor() } = options
      const change = await operate('disable', webhooks => webhooks.disable(name, { actor, reason }))
      printChange(name, change, 'disabled', options)
    })
}

function testCommand(): Command {
  return new Command('test')
    .description('send a signed event of the type holdfast.test to a webhook, and say what it answers')
    .argument('<name>', 'the rule’s name')
    .option('--json', 'print {delivered, status, reason, ms, id} as JSON')
    .addHelpText(
      'after',
      `\nAddress and secrets are those of HOLDFAST_CONFIG. Nothing is recorded, and no database is needed.\n${examples(
        [
          'is it there, and does it know the secret?',
          'HOLDFAST_CONFIG=holdfast.json holdfast webhooks test shop',
        ],
      )}`,
    )
    .action(async (name: string, options: Options) => {
      const trial = await tried(name)
      console.log(options.json ? JSON.stringify(trial) : trialText(name, trial))
      if (!trial.delivered) process.exitCode = 1
    })
}

function secretCommand(): Command {
  return new Command('secret')
    .description('make a new secret for a webhook')
    .option('--json', 'print {secret} as JSON')
    .addHelpText(
      'after',
      `\nTo change a secret without losing anything: put the new one beside the old one in the rule's "secrets", so that both
sign; give it to the receiver; then take the old one out.\n${examples(['a new one', 'holdfast webhooks secret'])}`,
    )
    .action(async (options: Options) => {
      const { newWebhookSecret } = await import('../../durable/index.ts')
      const secret = newWebhookSecret()
      console.log(options.json ? JSON.stringify({ secret }) : secret)
    })
}

async function operate<T>(command: string, work: (webhooks: WebhookOperations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(`webhooks ${command}`, sql => work(createOperations(sql).webhooks))
}

async function tried(name: string): Promise<WebhookTrial> {
  const { rules } = parseConfig(await loadConfig(process.env)).jobs
  const webhook = Object.hasOwn(rules, name) ? rules[name]?.webhook : undefined
  if (webhook === undefined) {
    const names = Object.keys(rules).filter(rule => rules[rule]?.webhook !== undefined)
    throw new CliError(
      `the configuration has no webhook ${name}`,
      names.length > 0 ? `it has ${names.join(', ')}` : 'HOLDFAST_CONFIG names a file with jobs.rules',
    )
  }
  const { tryWebhook } = await import('../../durable/index.ts')
  return tryWebhook(name, webhook)
}

function listed(webhooks: readonly WebhookStatus[]): string {
  return table(
    ['NAME', 'STATE', 'SINCE', 'FAILURES', 'ON THEIR WAY', 'PARKED', 'REASON'],
    webhooks.map(one => [
      one.rule,
      one.disabledAt !== null ? 'disabled' : one.failures > 0 ? 'failing' : 'well',
      timeText(one.disabledAt ?? one.failingSince),
      one.failures,
      one.open,
      one.parked,
      one.reason,
    ]),
  )
}

/** @throws CliError where there is no such webhook */
function printChange(name: string, change: WebhookChange, now: string, { json }: Options): void {
  if (change.kind === 'unknown') {
    throw new CliError(
      `no worker has declared a webhook ${name}`,
      '"holdfast webhooks list" shows those there are',
    )
  }
  const { kind, parked } = { parked: 0, ...change }
  if (json) console.log(JSON.stringify({ changed: kind === 'changed', parked }))
  else if (kind === 'unchanged') console.log(`${name} was ${now} already`)
  else console.log([`${name} is ${now}`, ...(now === 'enabled' ? leftParked(name, parked) : [])].join('\n'))
}

function leftParked(name: string, parked: number): string[] {
  if (parked === 0) return []
  const what = plural(parked, 'delivery is', 'deliveries are')
  return [`${what} still parked: "holdfast parked redrive --consumer rule/${name}" sends them`]
}

function trialText(name: string, { delivered, status, reason, ms, id }: WebhookTrial): string {
  const answer = delivered ? `answered with status ${status}` : `did not take it: ${reason}`
  return `${name} ${answer}\nafter ${ms} ms, under the webhook-id ${id}`
}
