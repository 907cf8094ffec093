import { is } from 'drizzle-orm'
import { PgArray, type PgColumn, PgEnumColumn, PgEnumObjectColumn } from 'drizzle-orm/pg-core'
import { HoldfastError } from '../../domain/index.ts'

/**
 * What a text is cast to on its way into a column. A cast to `varchar(5)` would cut off the rest without a word, where an
 * assignment refuses it; so would one to `bit(5)`.
 */
export function castOf(column: PgColumn): string {
  if (is(column, PgArray)) return `${castOf(column.baseColumn as PgColumn)}[]`
  if (is(column, PgEnumColumn) || is(column, PgEnumObjectColumn)) {
    const { schema, enumName } = column.enum
    return schema ? `${quoted(schema)}.${quoted(enumName)}` : quoted(enumName)
  }
  const type = column.getSQLType()
  if (/^(var)?char\b/.test(type)) return 'text'
  if (/^bit\(/.test(type)) return 'bit varying'
  return type.replace(/^(small|big|)serial$/, (_, size: string) => `${size || 'integer'}${size && 'int'}`)
}

/** A value as Postgres reads it from text. @throws HoldfastError REQUEST_INVALID for what has none, as SQL */
export function textOf(column: PgColumn, value: unknown): string | null {
  if (value === null) return null
  const given = column.mapToDriverValue(value)
  switch (typeof given) {
    case 'string':
      return given
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(given)
  }
  if (given === null) return null
  if (given instanceof Date) return given.toISOString()
  if (given instanceof Uint8Array) return `\\x${Buffer.from(given).toString('hex')}`
  throw new HoldfastError('REQUEST_INVALID', `a row's ${column.name} is no value: ${typeof given}`)
}

/** An array literal. */
export function textArray(texts: readonly (string | null)[]): string {
  return `{${texts.map(text => (text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
