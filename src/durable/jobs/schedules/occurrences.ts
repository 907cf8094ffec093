import { CronExpressionParser } from 'cron-parser'
import { HoldfastError } from '../../../domain/index.ts'
import { type ClockChange, type ZoneClock, zoneClock } from './zone-clock.ts'

/** No zone's clock is put back by more today. */
const longestChangeMs = 3 * 3_600_000

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
  // The parser draws another number for it each time it is asked.
  if (/(?<![A-Z])H(?![A-Z])/.test(cron))
    throw new HoldfastError('REQUEST_INVALID', `cron ${cron}: expected numbers, got H`)
  try {
    nextByClock(cron, zoneClock(zone), Date.now())
  } catch (error) {
    throw new HoldfastError('REQUEST_INVALID', `cron ${cron}: ${(error as Error).message}`, { cause: error })
  }
}

/** The first time after `time`; null: there is none (it happens once, or never again). */
export function nextAfter(recurrence: Recurrence, time: number): number | null {
  const { cron, zone, everySeconds, created } = recurrence
  if (cron !== null) return nextByClock(cron, zoneClock(zone), time)
  if (everySeconds === null) return null
  const every = everySeconds * 1_000
  return created + (Math.floor((time - created) / every) + 1) * every
}

/** The last time up to `now` (inclusive) of what has been due at `due`. */
export function latestUpTo(recurrence: Recurrence, due: number, now: number): number {
  const { cron, zone, everySeconds, created } = recurrence
  if (cron !== null) return Math.max(due, latestByClock(cron, zoneClock(zone), now))
  if (everySeconds === null) return due
  const every = everySeconds * 1_000
  return Math.max(due, created + Math.floor((now - created) / every) * every)
}

/**
 * The parser is asked about the wall as if it were in UTC: about days on which a clock is put forward or back it errs in
 * zones whose clocks change by half an hour or at a quarter to. An expression for every hour goes on as the time does;
 * what has its hours happens on such a day as well, once: what the clock leaves out as much later, what comes twice the
 * first time.
 */
function nextByClock(cron: string, clock: ZoneClock, after: number): number {
  const recent = clock.changeIn(after - longestChangeMs, after)
  let late = recent ? leftOutAfter(cron, recent, after) : Number.POSITIVE_INFINITY
  for (let from = after, earlier = 0; ; earlier = 1) {
    const offset = clock.offsetAt(from)
    const { times, everyHour } = onTheWall(cron, from + offset - earlier)
    const found = times.next().getTime() - offset
    const change = clock.changeIn(from, found)
    const twice = change || everyHour ? null : comesTwice(clock, found)
    if (!change && !twice) return Math.min(found, late)
    if (change) late = Math.min(late, leftOutAfter(cron, change, after))
    from = change?.time ?? twice?.end ?? found
  }
}

function latestByClock(cron: string, clock: ZoneClock, now: number): number {
  let late = Number.NEGATIVE_INFINITY
  for (let upTo = now; ; ) {
    const offset = clock.offsetAt(upTo)
    const { times, everyHour } = onTheWall(cron, secondAfter(upTo + offset))
    const found = times.prev().getTime() - offset
    const change = clock.changeIn(found, upTo)
    const twice = change || everyHour ? null : comesTwice(clock, found)
    const recent = change ?? clock.changeIn(found - longestChangeMs, found)
    if (recent) late = Math.max(late, leftOutUpTo(cron, recent, now))
    if (!change && !twice) return Math.max(found, late)
    upTo = (change?.time ?? twice?.start ?? found) - 1
  }
}

/** What a change leaves out has the time that it would have had without the change. */
function leftOutAfter(cron: string, { time, before, after }: ClockChange, from: number): number {
  const { times, everyHour } = onTheWall(cron, Math.max(from, time - 1) + before)
  const wall = everyHour ? Number.POSITIVE_INFINITY : times.next().getTime()
  return wall < time + after ? wall - before : Number.POSITIVE_INFINITY
}

function leftOutUpTo(cron: string, { time, before, after }: ClockChange, upTo: number): number {
  const { times, everyHour } = onTheWall(cron, secondAfter(Math.min(upTo + before, time + after - 1)))
  const wall = everyHour ? Number.NEGATIVE_INFINITY : times.prev().getTime()
  return wall >= time + before ? wall - before : Number.NEGATIVE_INFINITY
}

/** The stretch around `time` that the wall shows for the second time; null: it does so for the first. */
function comesTwice(clock: ZoneClock, time: number): { readonly start: number; readonly end: number } | null {
  const change = clock.changeIn(time - longestChangeMs, time)
  if (change === null) return null
  const end = change.time + change.before - change.after
  return time < end ? { start: change.time, end } : null
}

/** The parser looks before a time in whole seconds. */
function secondAfter(time: number): number {
  return Math.floor(time / 1_000) * 1_000 + 1_000
}

function onTheWall(cron: string, time: number) {
  const times = CronExpressionParser.parse(cron, { currentDate: new Date(time), tz: 'UTC' })
  return { times, everyHour: times.fields.hour.values.length === 24 }
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
