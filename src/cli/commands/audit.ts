import { Command } from 'commander'
import { type AuditReport, auditNow } from '../../durable/index.ts'
import { parseRedis, redisTarget } from '../../platform/index.ts'
import { loadConfig } from '../config-file.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { table, withProgress } from '../output.ts'

export function auditCommand(): Command {
  return new Command('audit')
    .description(
      'go through the whole ledger in DATABASE_URL once: is everything there that was acknowledged?',
    )
    .option('--json', 'print {epoch, events, mirrored, lost, findings, differences} as JSON')
    .addHelpText(
      'after',
      `\nIt reads only. Counts every event's place, which takes the database some seconds per million events, and compares the
newest ones with the mirror where a Redis is configured. Ends with 1 where something is lost.\n${examples([
        'after a restore, a failover, or an alert',
        'DATABASE_URL=postgres://localhost/holdfast holdfast audit',
      ])}`,
    )
    .action(audit)
}

async function audit(options: { json?: boolean }): Promise<void> {
  const input = await loadConfig(process.env)
  const redis = redisTarget(parseRedis(input.redis), 'log')
  const report = await onDatabase('audit', async sql => {
    const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
    return withProgress('audit', ledger?.partitions ?? 0, step => auditNow({ sql, redis, onPartition: step }))
  })
  console.log(options.json ? JSON.stringify(report) : readable(report))
  if (report.lost > 0) process.exitCode = 1
}

function readable({ epoch, events, mirrored, lost, findings, differences }: AuditReport): string {
  const places = findings.map(({ partition, channel, offset, position, says }) => [
    ...[partition, channel ?? null, offset ?? null, position ?? null, says],
  ])
  const copies = differences.map(({ kind, partition, channel, offset }) => [partition, channel, offset, kind])
  return [
    `epoch       ${epoch}`,
    `ledger      ${events.toLocaleString('en')} events counted`,
    `mirror      ${mirrored === undefined ? 'not compared: no Redis is configured, or it does not answer' : `${mirrored.toLocaleString('en')} entries compared`}`,
    `lost        ${lost === 0 ? 'nothing' : `${lost} ACKNOWLEDGED EVENTS: see "HoldfastAcknowledgedLost" in docs/RUNBOOK.md`}`,
    ...(places.length === 0 ? [] : [table(['PARTITION', 'CHANNEL', 'OFFSET', 'POSITION', 'WHY'], places)]),
    ...(copies.length === 0
      ? []
      : [
          'differences between the ledger and its copies',
          table(['PARTITION', 'CHANNEL', 'OFFSET', 'KIND'], copies),
        ]),
  ].join('\n')
}
