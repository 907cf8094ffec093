const names: Readonly<Record<string, string>> = {
  char: 'bpchar',
  character: 'bpchar',
  smallserial: 'smallint',
  serial: 'integer',
  bigserial: 'bigint',
}

/** A column's type for values it is compared with: without the modifier, which would round or cut them. */
export function comparable(type: string): string {
  const bare = type.replace(/\s*\([^)]*\)/, '')
  return names[bare] ?? bare
}
