import { partitionOf } from '../../src/durable/ledger/partition-of.ts'
import { connectPostgres } from '../../src/platform/index.ts'

const chunk = 100_000

/**
 * Gives a channel `count` further events as a long life would have left them, in seconds instead of minutes: rows
 * put beside `holdfast.append` by the owner, in the places where it would have put them. Nothing else may append to
 * the channel's partition meanwhile, and no node hears of it but by looking. An event's data is `{"n":<offset>}` with
 * a filler.
 */
export async function fillChannel(
  databaseUrl: string,
  channel: string,
  { count, filler = 40 }: { count: number; filler?: number },
): Promise<void> {
  const sql = connectPostgres(databaseUrl, {
    max: 1,
    applicationName: 'holdfast-test',
    statementTimeoutMs: 120_000,
  })
  try {
    const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
    const partition = partitionOf(channel, ledger?.partitions ?? 0)
    for (let from = 0; from < count; from += chunk) {
      await sql.begin(async tx => {
        await tx`select set_config('holdfast.acting', 'append', true)`
        await tx`
          insert into holdfast.events (partition, position, channel, "offset", id, type, data, meta, time)
          select ${partition}::int, h.position + n, ${channel}::text, h.offset + n,
                 -- In order, like the UUIDs (version 7) of events that came one after the other.
                 lpad(to_hex(h.position + n), 32, '0')::uuid, 'Numbered',
                 '{"n":' || (h.offset + n) || ',"text":"' || repeat('x', ${filler}::int) || '"}', null, 1700000000000 + n
          from generate_series(1, ${Math.min(chunk, count - from)}::int) as n,
               (select coalesce(max(position), 0) as position,
                       coalesce(max("offset") filter (where channel = ${channel}::text), 0) as "offset"
                from holdfast.events where partition = ${partition}::int) as h`
      })
    }
    await sql`analyze holdfast.events`
  } finally {
    await sql.end({ timeout: 1 })
  }
}
