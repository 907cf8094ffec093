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
  const named = [...keys].flatMap(([name, rows]) => {
    const table = build.tables[name]
    return table && rows.length > 0 ? [{ name, ...ofKeys(table, rows) }] : []
  })
  // The rows are locked until the commit before there is a number: who changes them next gets a higher one.
  const [, numbered, ...tables] = await Promise.all([
    Promise.all(named.map(({ lock, given }) => tx.unsafe(lock, given))),
    tx<{ n: string }[]>`select nextval('holdfast.projection_changes')::text as n`,
    ...named.map(({ read, given }) => tx.unsafe<{ key: string; row: string | null }[]>(read, given)),
  ])
  const changes = tables.flatMap((rows, i) =>
    rows.map(({ key, row }) => ({ table: named[i]?.name ?? '', key, row })),
  )
  return { n: numbered[0]?.n ?? '0', changes }
}

/**
 * Statements about the rows of some keys. What this transaction has written is locked by that; a row that it has only named,
 * as one that was there before `on conflict do nothing`, may be changing at this moment.
 */
function ofKeys(table: BuildTable, keys: readonly Readonly<Record<string, unknown>>[]) {
  const typed = table.key.map(key => {
    const type = table.columns.find(column => column.name === key)?.type ?? 'text'
    return `${quoted(key)} ${comparable(type)}`
  })
  const own = table.key.map(key => `t.${quoted(key)}`)
  const same = table.key.map(key => `t.${quoted(key)} = k.${quoted(key)}`).join(' and ')
  const named = `json_to_recordset($1::text::json) as k (${typed.join(', ')})`
  const rows = qualified(table.physical)
  return {
    given: [JSON.stringify(keys, (_, value) => (typeof value === 'bigint' ? value.toString() : value))],
    lock: `
      select from ${rows} as t join ${named} on ${same}
      where t.xmin is distinct from pg_current_xact_id_if_assigned()::xid
      order by ${own.join(', ')} for no key update of t`,
    read: `
      select row_to_json(k)::text as key, case when ${own[0]} is not null then row_to_json(t)::text end as row
      from ${named} left join ${rows} as t on ${same}`,
  }
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
