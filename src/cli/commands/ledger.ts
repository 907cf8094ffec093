import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { parseRedis, redisTarget } from '../../platform/index.ts'
import { CliError } from '../cli-error.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'
import { type LedgerReport, ledgerReport } from '../ledger-report.ts'
import { onDatabase } from '../on-database.ts'
import { wholeNumber } from '../whole-number.ts'

export function ledgerCommand(): Command {
  return new Command('ledger')
    .description('look at the ledger in DATABASE_URL, or begin another life of its numbering')
    .addCommand(statusCommand())
    .addCommand(newEpochCommand())
}

function statusCommand(): Command {
  return new Command('status')
    .description('epoch, size, longest channels, and with a Redis how far the mirror is behind')
    .option('--channels <count>', 'how many channels to list', wholeNumber, 10)
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      examples(['how is it?', 'DATABASE_URL=postgres://localhost/holdfast holdfast ledger status']),
    )
    .action(async (options: { channels: number; json?: boolean }) => {
      const input = await loadConfig(process.env)
      const redis = redisTarget(parseRedis(input.redis), 'log')
      const report = await onDatabase('ledger status', sql =>
        ledgerReport(sql, { channels: options.channels, redis }),
      )
      console.log(options.json ? JSON.stringify(report) : readable(report))
    })
}

function newEpochCommand(): Command {
  return new Command('new-epoch')
    .description('void every cursor and the mirror: for after a restore, or a failover that lost events')
    .option('--yes', 'do not ask')
    .option('--json', 'print {epoch, previous} as JSON; needs --yes')
    .addHelpText(
      'after',
      `\nClients that followed a durable channel are told that their place is lost, and read it anew.\n${examples(
        [
          'after restoring a backup',
          'DATABASE_URL=postgres://owner@localhost/holdfast holdfast ledger new-epoch',
        ],
      )}`,
    )
    .action(newEpoch)
}

async function newEpoch(options: { yes?: boolean; json?: boolean }): Promise<void> {
  await onDatabase('ledger new-epoch', async sql => {
    const [before] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const previous = before?.epoch ?? ''
    if (!options.yes && !(await confirmed(previous)))
      throw new CliError('nothing was changed: it was not confirmed')
    const [after] = await sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
    const epoch = after?.epoch ?? ''
    console.log(
      options.json
        ? JSON.stringify({ epoch, previous })
        : `the ledger's epoch is now ${epoch}, it was ${previous}`,
    )
  })
}

async function confirmed(epoch: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new CliError('this voids every cursor: it must be confirmed', 'repeat it with --yes', 2)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (
      (
        await lines.question(`This voids every cursor and the mirror. Type the present epoch (${epoch}): `)
      ).trim() === epoch
    )
  } finally {
    lines.close()
  }
}

function readable(report: LedgerReport): string {
  const { mirror } = report
  const mib = (report.bytes / 1_048_576).toFixed(1)
  return [
    `epoch       ${report.epoch} (ledger made ${report.created})`,
    `partitions  ${report.partitions}`,
    `events      ${report.events.toLocaleString('en')} recorded, ${mib} MiB with indexes`,
    `mirror      ${mirror ? mirrorLine(mirror) : 'not asked: no Redis is configured (REDIS_URL, or redis in HOLDFAST_CONFIG)'}`,
    `channels    ${report.channels.length === 0 ? 'none' : 'longest first'}`,
    ...report.channels.map(({ channel, head }) => `  ${String(head).padStart(10)}  ${channel}`),
  ].join('\n')
}

function mirrorLine(mirror: NonNullable<LedgerReport['mirror']>): string {
  if ('unreachable' in mirror) return `unreachable: ${mirror.unreachable}`
  const { mirrored, withoutMirror, lag, ahead, lossFound } = mirror
  const parts = [lag === 0 ? 'up to date' : `${lag} events behind`, `${mirrored} partitions mirrored`]
  if (withoutMirror > 0) parts.push(`${withoutMirror} without a mirror`)
  if (ahead > 0)
    parts.push(
      `${ahead} AHEAD of the ledger, which has lost events: bring the right server back, or run "holdfast ledger new-epoch"`,
    )
  if (lossFound)
    parts.push(
      'nodes have found that the ledger has lost events: bring the right server back, or run "holdfast ledger new-epoch"',
    )
  return parts.join(', ')
}
