import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import type { NewEpoch } from '../../durable/index.ts'
import { parseRedis, redisTarget } from '../../platform/index.ts'
import { CliError } from '../cli-error.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'
import { type LedgerReport, ledgerReport, type UnevenPartition } from '../ledger-report.ts'
import { onDatabase } from '../on-database.ts'
import { currentActor } from '../output.ts'
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
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--reason <text>', 'why, for those who ask later')
    .option('--json', 'print {epoch, previous, cursors, groups, deliveries} as JSON; needs --yes')
    .addHelpText(
      'after',
      `\nRunning nodes find the new epoch within a second. Clients that followed a durable channel are told that their place is
lost, and read it anew; what becomes of everybody else is in docs/OPERATIONS.md.\n${examples([
        'after restoring a backup',
        'DATABASE_URL=postgres://owner@localhost/holdfast holdfast ledger new-epoch',
      ])}`,
    )
    .action(newEpoch)
}

interface NewEpochOptions {
  yes?: boolean
  json?: boolean
  by?: string
  reason?: string
}

async function newEpoch(options: NewEpochOptions): Promise<void> {
  await onDatabase('ledger new-epoch', async sql => {
    const [before] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const previous = before?.epoch ?? ''
    if (!options.yes && !(await confirmed(previous)))
      throw new CliError('nothing was changed: it was not confirmed')
    const { beginEpoch } = await import('../../durable/index.ts')
    const { by: actor = currentActor(), reason } = options
    const begun = await beginEpoch(sql, { actor, reason })
    console.log(options.json ? JSON.stringify(begun) : told(begun))
  })
}

function told({ epoch, previous, cursors, groups, deliveries }: NewEpoch): string {
  return [
    `the ledger's epoch is now ${epoch}, it was ${previous}`,
    `${cursors} cursors of users begin anew`,
    ...groups.map(({ name, setBack }) => `group ${name} was set back by ${setBack} positions`),
    ...deliveries.map(
      ({ consumer, removed }) => `${removed} deliveries of ${consumer} were for events that are lost`,
    ),
  ].join('\n')
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
    ...(mirror && 'uneven' in mirror ? mirror.uneven.map(unevenLine) : []),
    `channels    ${report.channels.length === 0 ? 'none' : 'longest first'}`,
    ...report.channels.map(({ channel, head }) => `  ${String(head).padStart(10)}  ${channel}`),
  ].join('\n')
}

function unevenLine({ partition, mirror, known, head }: UnevenPartition): string {
  const recorded = known === null ? '' : `, known to nodes up to ${known}`
  return `  partition ${partition}: ${mirror === null ? 'no mirror' : `mirrored up to ${mirror}`}${recorded}, recorded up to ${head}`
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
