import type { Transaction } from '../../platform/index.ts'
import { quoted } from '../ddl.ts'
import type { ChangedBatch } from '../hooks.ts'
import { comparable } from '../reading/sql-names.ts'
import type { Build, BuildTable } from '../types.ts'
import { qualified } from '../views.ts'

/** A changed row. `key` and `row` are JSON texts, as Postgres writes them. */
export interface Change {
  readonly table: string
  readonly key: string
  /** Null: it is gone. */
  readonly row: string | null
}

/** Changes of one batch, with their number. */
export interface NumberedChanges {
  /** Of two changes of one row the later one has the higher number, whichever node tells of it first. */
  readonly n: string
  readonly changes: readonly Change[]
}

/** The rows of a batch as they are at its end, each once. */
export async function changedRows({ build, keys, tx }: ChangedBatch): Promise<NumberedChanges> {
  // All is written, so the locks of these rows are ours until the commit: who changes them next gets a higher number.
  const [numbered, ...tables] = await Promise.all([
    tx<{ n: string }[]>`select nextval('holdfast.projection_changes')::text as n`,
    ...[...keys].map(([name, own]) => rowsOf(tx, build.tables[name], name, own)),
  ])
  return { n: numbered[0]?.n ?? '0', changes: tables.flat() }
}

async function rowsOf(
  tx: Transaction,
  table: BuildTable | undefined,
  name: string,
  keys: readonly Readonly<Record<string, unknown>>[],
): Promise<readonly Change[]> {
  const [first] = table?.key ?? []
  if (!table || first === undefined || keys.length === 0) return []
  const typed = table.key.map(key => {
    const type = table.columns.find(column => column.name === key)?.type ?? 'text'
    return `${quoted(key)} ${comparable(type)}`
  })
  const same = table.key.map(key => `t.${quoted(key)} = k.${quoted(key)}`)
  const rows = await tx.unsafe<{ key: string; row: string | null }[]>(
    `select row_to_json(k)::text as key, case when t.${quoted(first)} is not null then row_to_json(t)::text end as row
     from json_to_recordset($1::text::json) as k (${typed.join(', ')})
     left join ${qualified(table.physical)} as t on ${same.join(' and ')}`,
    [JSON.stringify(keys, (_, value) => (typeof value === 'bigint' ? value.toString() : value))],
  )
  return rows.map(({ key, row }) => ({ table: name, key, row }))
}

/** Bounds of one publication; more changes are told in several. */
const most = { changes: 100, bytes: 32_768 }

/** What is sent: JSON texts `{projection, version, build, n, changes}`. */
export function publications(
  { projection, version, id }: Pick<Build, 'projection' | 'version' | 'id'>,
  { n, changes }: NumberedChanges,
): readonly string[] {
  const head = `{"projection":${JSON.stringify(projection)},"version":${version},"build":${id},"n":${n},"changes":[`
  const texts: string[] = []
  let open: string[] = []
  let bytes = 0
  const close = () => {
    if (open.length > 0) texts.push(`${head}${open.join(',')}]}`)
    open = []
    bytes = 0
  }
  for (const { table, key, row } of changes) {
    const text = `{"table":${JSON.stringify(table)},"key":${key},"row":${row ?? 'null'}}`
    const size = Buffer.byteLength(text)
    if (open.length === most.changes || bytes + size > most.bytes) close()
    open.push(text)
    bytes += size
  }
  close()
  return texts
}
