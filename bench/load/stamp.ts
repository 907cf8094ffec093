// The payload of fan-out messages: 128 bytes of JSON that carry when they were due, at a place known beforehand.

const size = 128
const open = '{"at":"'
const digits = 12
const between = '","step":"'
const rest = `","fill":"${'x'.repeat(size - open.length - digits - between.length - 2 - '","fill":""}'.length)}"}`

/** `dueUs`: microseconds on the load process's own clock. `step`: 10 … 99. */
export function stamped(dueUs: number, step: number): string {
  return `${open}${String(Math.round(dueUs)).padStart(digits, '0')}${between}${step}${rest}`
}

/** Where the digits begin within a line that carries a stamped payload. */
export function stampPlace(line: Buffer): number {
  const at = line.indexOf(open)
  if (at < 0) throw new Error(`not a stamped message: ${line.toString('utf8', 0, 200)}`)
  return at + open.length
}

export function readDueUs(bytes: Buffer, at: number): number {
  let value = 0
  for (let i = at; i < at + digits; i++) value = value * 10 + (bytes[i] as number) - 48
  return value
}

export function readStep(bytes: Buffer, at: number): number {
  const place = at + digits + between.length
  return ((bytes[place] as number) - 48) * 10 + (bytes[place + 1] as number) - 48
}
