/** Numbers, sizes and times as the page writes them. Every function takes what it needs, so that it says the same every time. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })
const onePlace = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

/** What is written where a value is not known. A zero would be a claim. */
export const unknown = '–'

type Maybe<T> = T | null | undefined

function known(value: Maybe<number>): value is number {
  return value !== null && value !== undefined && Number.isFinite(value)
}

/** All digits up to 99,999; then three of them, as `123K`. */
export function count(value: Maybe<number>): string {
  if (!known(value)) return unknown
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value)
}

/** Per second: small rates with one place, so that one message in ten seconds is not none. */
export function rate(value: Maybe<number>): string {
  if (!known(value)) return unknown
  if (value === 0) return '0/s'
  if (value < 0.05) return '<0.1/s'
  return `${value < 10 ? onePlace.format(value) : count(value)}/s`
}

export function percent(share: Maybe<number>): string {
  if (!known(share)) return unknown
  const value = share * 100
  // 99.97 must not read as 100: that would say that nothing is missing.
  if (value > 99.9 && value < 100) return `${(Math.floor(value * 1_000) / 1_000).toFixed(3)} %`
  return `${value >= 99.95 || value === 0 ? whole.format(value) : onePlace.format(value)} %`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytes(value: Maybe<number>): string {
  if (!known(value)) return unknown
  let size = value
  let unit = 0
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024
    unit++
  }
  return `${unit === 0 || size >= 100 ? whole.format(size) : onePlace.format(size)} ${units[unit]}`
}

/** A length of time in seconds, in at most two units. */
export function seconds(value: Maybe<number>): string {
  if (!known(value)) return unknown
  const least = Math.abs(value)
  if (least === 0) return '0 s'
  if (least < 0.001) return '<1 ms'
  if (least < 1) return `${Math.round(value * 1_000)} ms`
  if (least < 9.95) return `${onePlace.format(value)} s`
  const rounded = Math.round(value)
  if (rounded < 120) return `${rounded} s`
  if (rounded < 7_200) return two(rounded, 60, 'min', 's')
  if (rounded < 172_800) return two(Math.round(rounded / 60), 60, 'h', 'min')
  return two(Math.round(rounded / 3_600), 24, 'd', 'h')
}

function two(value: number, size: number, large: string, small: string): string {
  const rest = value % size
  const first = `${Math.floor(value / size)} ${large}`
  return rest === 0 ? first : `${first} ${rest} ${small}`
}

/** How long ago something was. A clock that runs a little ahead of ours has no events of the future. */
export function ago(time: Maybe<number>, now: number): string {
  if (!known(time)) return unknown
  const passed = (now - time) / 1_000
  if (passed < -5) return `in ${seconds(-passed)}`
  return passed < 1.5 ? 'just now' : `${coarse(passed)} ago`
}

/** One unit is enough for what is past, and does not change every second once it is older. */
function coarse(value: number): string {
  if (value < 60) return `${Math.round(value)} s`
  if (value < 3_600) return `${Math.floor(value / 60)} min`
  if (value < 86_400) return `${Math.floor(value / 3_600)} h`
  return `${Math.floor(value / 86_400)} d`
}

const sameDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const otherDay = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})

/** The time of day in this browser's zone, with the date where it was another day. */
export function clock(time: Maybe<number>, now: number): string {
  if (!known(time)) return unknown
  const date = new Date(time)
  return (date.toDateString() === new Date(now).toDateString() ? sameDay : otherDay).format(date)
}

/** `1 event`, `2 events`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}
