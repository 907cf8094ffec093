import { CronExpressionParser } from 'cron-parser'
import { HoldfastError } from '../../../domain/index.ts'

/** When something happens again and again; all times are milliseconds since 1970. */
export interface Recurrence {
  /** Five fields, or six with seconds in front; null: by `everySeconds`, or once. */
  readonly cron: string | null
  /** IANA time zone of `cron` (null: UTC). */
  readonly zone: string | null
  readonly everySeconds: number | null
  /** What `everySeconds` is counted from. */
  readonly created: number
}

/** @throws HoldfastError REQUEST_INVALID where it says nothing that ever happens */
export function checkRecurrence({ cron, zone }: Pick<Recurrence, 'cron' | 'zone'>): void {
  if (cron === null) return
  if (zone !== null && !isZone(zone))
    throw new HoldfastError(
      'REQUEST_INVALID',
      `zone: expected an IANA time zone like Europe/Berlin, got ${zone}`,
    )
  const fields = cron.trim().split(/\s+/).length
  if (!cron.startsWith('@') && fields !== 5 && fields !== 6)
    throw new HoldfastError(
      'REQUEST_INVALID',
      `cron: expected five fields, or six with seconds, got ${fields}`,
    )
  try {
    parser(cron, zone, Date.now()).next()
  } catch (error) {
    throw new HoldfastError('REQUEST_INVALID', `cron ${cron}: ${(error as Error).message}`, { cause: error })
  }
}

/** The first time after `time`; null: there is none (it happens once, or never again). */
export function nextAfter(recurrence: Recurrence, time: number): number | null {
  const { cron, zone, everySeconds, created } = recurrence
  if (cron !== null) return parser(cron, zone, time).next().getTime()
  if (everySeconds === null) return null
  const every = everySeconds * 1_000
  return created + (Math.floor((time - created) / every) + 1) * every
}

/** The last time up to `now` (inclusive) of what has been due at `due`. */
export function latestUpTo(recurrence: Recurrence, due: number, now: number): number {
  const { cron, zone, everySeconds, created } = recurrence
  if (cron !== null) {
    // The parser looks before a time in whole seconds.
    const last = parser(cron, zone, Math.floor(now / 1_000) * 1_000 + 1_000)
      .prev()
      .getTime()
    return Math.max(due, last <= now ? last : due)
  }
  if (everySeconds === null) return due
  const every = everySeconds * 1_000
  return Math.max(due, created + Math.floor((now - created) / every) * every)
}

function parser(cron: string, zone: string | null, time: number) {
  return CronExpressionParser.parse(cron, { currentDate: new Date(time), tz: zone ?? 'UTC' })
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
