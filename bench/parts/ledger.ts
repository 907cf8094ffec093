import { migrate } from '../../src/durable/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import {
  Batches,
  ledgerWriters,
  type Shape,
  type Writer,
  type WriterName,
} from '../baselines/ledger-writers.ts'
import { median } from '../load/latencies.ts'
import { higher, type Row } from '../report/rows.ts'
import type { PartDefinition } from './part.ts'

const shapes: readonly Shape[] = [
  { rows: 1, channels: 200 },
  { rows: 100, channels: 200 },
  { rows: 500, channels: 200 },
  { rows: 500, channels: 100_000 },
]
const rounds = 40
const warmUp = 10
/** One INSERT per event is slow and steady: a few rounds say enough. */
const insertRounds = warmUp + 5
const goal = 0.6

/** What the ledger's promises cost, without anything before them: one connection, one batch at a time, in turn. */
export const ledger: PartDefinition = {
  name: 'ledger',
  title: 'The ledger alone: batches by holdfast.append, beside bare inserts of the same rows',
  async measure({ stage, say }) {
    const { url } = await stage.postgres()
    const admin = connectPostgres(url, { max: 1, applicationName: 'bench' })
    // A database of its own: its events are nobody's.
    await admin`drop database if exists bench_ledger`
    await admin`create database bench_ledger`
    await admin.end()
    const own = new URL(url)
    own.pathname = '/bench_ledger'
    await migrate(own.href)
    const sql = connectPostgres(own.href, { max: 1, applicationName: 'bench', statementTimeoutMs: 60_000 })
    const rows: Row[] = []
    const details: unknown[] = []
    try {
      const [found] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
      const batches = new Batches()
      for (const shape of shapes) {
        say(`ledger: ${shape.rows} rows over ${shape.channels} channels`)
        const rates = await ratesOf(sql, found?.epoch ?? '', shape, batches)
        details.push({ ...shape, rates })
        rows.push(...rowsOf(shape, rates))
      }
    } finally {
      await sql.end({ timeout: 1 })
    }
    return { rows, details, notes: [] }
  },
}

type Rates = Readonly<Record<WriterName, number>>

async function ratesOf(sql: Sql, epoch: string, shape: Shape, batches: Batches): Promise<Rates> {
  const writers = Object.entries(await ledgerWriters(sql, epoch)) as [WriterName, Writer][]
  const took: Record<WriterName, number[]> = { insert: [], unnest: [], fast: [], careful: [], duplicates: [] }
  for (let round = 0; round < rounds; round++) {
    for (const [name, write] of writers) {
      if (name === 'insert' && round >= insertRounds) continue
      const ms = await write(batches.next(shape))
      if (round >= warmUp) took[name].push(ms)
    }
  }
  const rate = (name: WriterName) => (shape.rows * 1000) / median(took[name])
  return {
    insert: rate('insert'),
    unnest: rate('unnest'),
    fast: rate('fast'),
    careful: rate('careful'),
    duplicates: rate('duplicates'),
  }
}

function rowsOf({ rows, channels }: Shape, rates: Rates): Row[] {
  const shape = `${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'}, ${channels.toLocaleString('en')} channels`
  const row = (way: 'fast' | 'careful' | 'duplicates', what: string): Row => ({
    what: `${shape}: ${what}`,
    unit: 'rows/s',
    holdfast: rates[way],
    others: { unnest: rates.unnest, insert: rates.insert },
    ratio: {
      key: `ledger.${rows}x${channels}.${way}`,
      to: 'unnest',
      value: higher(rates[way], rates.unnest),
      judged: true,
      ...(way === 'fast' && rows >= 100 ? { goal } : {}),
    },
  })
  return [
    row('fast', 'append'),
    row('careful', 'append with an expected offset among them'),
    row('duplicates', 'append again what is there'),
  ]
}
