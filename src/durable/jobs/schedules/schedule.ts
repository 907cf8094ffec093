import { checkChannel, HoldfastError } from '../../../domain/index.ts'
import { isJobName } from '../../../platform/index.ts'
import { checkRecurrence, nextAfter, type Recurrence } from './occurrences.ts'

/** Something that is to happen by the clock, as its maker says it. */
export interface NewSchedule extends Omit<Recurrence, 'created'> {
  readonly name: string
  /** What happens once: when, in milliseconds since 1970. */
  readonly at: number | null
  readonly act: 'append' | 'publish'
  readonly channel: string
  /** The event's type; null for a publication. */
  readonly type: string | null
  /** JSON text. */
  readonly data: string
}

/** A schedule as its row says it. */
export interface Schedule extends Omit<NewSchedule, 'at'>, Recurrence {
  /** When it happens next; null: never again. */
  readonly due: number | null
  /** The last time for which it has happened. */
  readonly lastDue: number | null
  /** Why the last attempt failed. */
  readonly failure: string | null
  /** By the configuration. */
  readonly declared: boolean
  /** No process declares it any more: it does not happen, and is removed after a week. */
  readonly resting: boolean
  readonly paused: boolean
}

/** A schedule in the application's code: exactly one of `at`, `delayMs`, `cron` and `everySeconds`. */
export interface ScheduleOptions {
  /** Once, at this time (milliseconds since 1970). */
  readonly at?: Date | number
  /** Once, after so long. */
  readonly delayMs?: number
  /** Five fields, or six with seconds in front. */
  readonly cron?: string | undefined
  /** IANA time zone of `cron` (default UTC). */
  readonly zone?: string | undefined
  readonly everySeconds?: number | undefined
  /** Records an event: once in effect. */
  readonly append?: { readonly channel: string; readonly type: string; readonly data: unknown } | undefined
  /** Publishes: at most once. */
  readonly publish?: { readonly channel: string; readonly data: unknown } | undefined
}

/** Timers and dates end there. */
const latest = 8_640_000_000_000_000
const maxEverySeconds = 366 * 86_400
const maxTypeLength = 255

/** @throws HoldfastError REQUEST_INVALID, CHANNEL_INVALID */
export function scheduleFrom(name: string, options: ScheduleOptions): NewSchedule {
  const { at, delayMs, cron, zone, everySeconds, append, publish } = options
  const what = append ?? publish
  if (!what || (append && publish)) throw invalid('expected exactly one of append and publish')
  const once = at ?? (delayMs === undefined ? undefined : Date.now() + delayMs)
  const given = [at, delayMs, cron, everySeconds].filter(each => each !== undefined).length
  if (given !== 1) throw invalid('expected exactly one of at, delayMs, cron and everySeconds')
  const data = JSON.stringify(what.data)
  if (data === undefined) throw invalid('data: expected something that JSON can say')
  const schedule = {
    name,
    cron: cron ?? null,
    zone: zone ?? null,
    everySeconds: everySeconds ?? null,
    at: once === undefined ? null : Number(once),
    act: append ? ('append' as const) : ('publish' as const),
    channel: what.channel,
    type: append?.type ?? null,
    data,
  }
  checkSchedule(schedule)
  return schedule
}

/** @throws HoldfastError REQUEST_INVALID, CHANNEL_INVALID */
export function checkSchedule(schedule: NewSchedule): void {
  const { name, cron, zone, everySeconds, at, act, channel, type, data } = schedule
  if (!isJobName(name)) throw invalid(`name: expected 1 to 64 of a-z, 0-9 and -, got ${name.slice(0, 80)}`)
  if ([cron, everySeconds, at].filter(each => each !== null).length !== 1)
    throw invalid('expected exactly one of cron, everySeconds and a time')
  if (zone !== null && cron === null) throw invalid('zone: expected it only beside cron')
  if (
    everySeconds !== null &&
    !(Number.isInteger(everySeconds) && everySeconds >= 1 && everySeconds <= maxEverySeconds)
  )
    throw invalid(`everySeconds: expected a whole number from 1 to ${maxEverySeconds}, got ${everySeconds}`)
  if (at !== null && !(at >= 0 && at <= latest)) throw invalid('at: expected a time')
  checkRecurrence(schedule)
  checkChannel(channel)
  if (act === 'append' && !(type && type.length <= maxTypeLength))
    throw invalid(`type: expected a type of 1 to ${maxTypeLength} characters`)
  if (!data.isWellFormed() || data.includes('\u0000') || !isJson(data)) throw invalid('data: expected JSON')
}

/** When it happens first. */
export function firstDue(schedule: NewSchedule, now: number): number {
  return Math.round(schedule.at ?? nextAfter({ ...schedule, created: now }, now) ?? now)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function invalid(message: string): HoldfastError {
  return new HoldfastError('REQUEST_INVALID', message)
}
