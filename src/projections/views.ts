import type { Transaction } from '../platform/index.ts'
import { viewName } from './bound-tables.ts'
import { quoted } from './ddl.ts'
import { type Build, projectionSchema } from './types.ts'

/** Postgres: other columns than the view has had. */
const otherColumns = '42P16'

/**
 * Lets the views of a projection show a build, in the transaction of its switch: for those who read with SQL. Who was
 * granted something on a view keeps it.
 */
export async function showBuild(tx: Transaction, build: Build, previous: Build | undefined): Promise<void> {
  for (const [table, { physical }] of Object.entries(build.tables))
    await showTable(tx, qualified(viewName(build.projection, table)), qualified(physical))
  for (const table of Object.keys(previous?.tables ?? {}))
    if (!Object.hasOwn(build.tables, table)) await hideTable(tx, build.projection, table)
}

export async function hideTable(tx: Transaction, projection: string, table: string): Promise<void> {
  await tx.unsafe(`drop view if exists ${qualified(viewName(projection, table))}`)
}

export function qualified(name: string): string {
  return `${quoted(projectionSchema)}.${quoted(name)}`
}

/**
 * Every process may change and drop what one of them has made: it belongs to the role that they all are members of, where
 * there is one and the maker may give it away.
 */
export async function giveAway(tx: Transaction, kind: 'table' | 'view', name: string): Promise<void> {
  const [row] = await tx<{ may: boolean }[]>`
    select coalesce((
      select pg_has_role(current_user, oid, case when current_setting('server_version_num')::int >= 160000
                                                 then 'SET' else 'MEMBER' end)
      from pg_roles where rolname = 'holdfast_runtime'), false) as may`
  if (row?.may) await tx.unsafe(`alter ${kind} ${name} owner to holdfast_runtime`)
}

async function showTable(tx: Transaction, view: string, table: string): Promise<void> {
  const select = `as select * from ${table}`
  // What other views are made of stays where the columns allow it.
  const replaced = await tx
    .savepoint(inner => inner.unsafe(`create or replace view ${view} ${select}`))
    .then(() => true)
    .catch(error => {
      if ((error as { code?: unknown }).code === otherColumns) return false
      throw error
    })
  if (!replaced) {
    const grants = await grantsOn(tx, view)
    await tx.unsafe(`drop view ${view}`)
    await tx.unsafe(`create view ${view} ${select}`)
    for (const grant of grants) await tx.unsafe(grant)
  }
  await giveAway(tx, 'view', view)
}

async function grantsOn(tx: Transaction, view: string): Promise<readonly string[]> {
  const rows = await tx<{ statement: string }[]>`
    select format('grant %s on %s to %s', string_agg(a.privilege_type, ', '), ${view}::text,
                  case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end) as statement
    from pg_class as c, aclexplode(c.relacl) as a
    where c.oid = to_regclass(${view}) and a.grantee <> c.relowner
    group by a.grantee`
  return rows.map(({ statement }) => statement)
}
