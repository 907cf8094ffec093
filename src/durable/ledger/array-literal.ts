/** Postgres array literals of some field of `items`; the driver's own serializer is off (`connectPostgres`). */
export function intArray<T>(items: readonly T[], of: (item: T) => number | null): string {
  return `{${items.map(item => of(item) ?? 'NULL').join(',')}}`
}

export function textArray<T>(items: readonly T[], of: (item: T) => string | null): string {
  return `{${items.map(item => quoted(of(item))).join(',')}}`
}

function quoted(text: string | null): string {
  return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`
}
