import { describe, expect, it } from 'vitest'
import { checkRecurrence, latestUpTo, nextAfter, type Recurrence } from './occurrences.ts'

const at = (text: string) => Date.parse(text)
const cron = (expression: string, zone: string | null = null): Recurrence => ({
  cron: expression,
  zone,
  everySeconds: null,
  created: 0,
})
const every = (everySeconds: number, created: number): Recurrence => ({
  cron: null,
  zone: null,
  everySeconds,
  created,
})

/** The times after `from`, as texts. */
function times(recurrence: Recurrence, from: string, count: number): string[] {
  const found: string[] = []
  let time = at(from)
  for (let n = 0; n < count; n++) {
    time = nextAfter(recurrence, time) ?? 0
    found.push(new Date(time).toISOString())
  }
  return found
}

describe('the times of a cron expression', () => {
  it('are UTC without a zone, and follow seconds where there are six fields', () => {
    expect(times(cron('30 8 * * *'), '2026-01-31T08:30:00Z', 2)).toEqual([
      '2026-02-01T08:30:00.000Z',
      '2026-02-02T08:30:00.000Z',
    ])
    expect(times(cron('*/20 * * * * *'), '2026-01-01T00:00:05.500Z', 2)).toEqual([
      '2026-01-01T00:00:20.000Z',
      '2026-01-01T00:00:40.000Z',
    ])
  })

  it('keep to the clock on the wall when summer begins and ends', () => {
    expect(times(cron('0 9 * * *', 'Europe/Berlin'), '2026-03-28T00:00:00Z', 2)).toEqual([
      '2026-03-28T08:00:00.000Z',
      '2026-03-29T07:00:00.000Z',
    ])
    expect(times(cron('0 9 * * *', 'Europe/Berlin'), '2026-10-24T00:00:00Z', 2)).toEqual([
      '2026-10-24T07:00:00.000Z',
      '2026-10-25T08:00:00.000Z',
    ])
  })

  it('happen once on a day whose hour is missing or comes twice', () => {
    const halfPastTwo = cron('30 2 * * *', 'Europe/Berlin')
    const spring = times(halfPastTwo, '2026-03-28T12:00:00Z', 2)
    expect(spring).toEqual(['2026-03-29T01:30:00.000Z', '2026-03-30T00:30:00.000Z'])
    const autumn = times(halfPastTwo, '2026-10-24T12:00:00Z', 2)
    expect(autumn).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
    // Asked for half an hour late, between the two.
    expect(times(halfPastTwo, '2026-10-25T01:05:00Z', 1)).toEqual(['2026-10-26T01:30:00.000Z'])
  })

  it.each([
    ['Europe/Berlin', '2026-03-28T12:00Z'],
    ['Europe/Berlin', '2026-10-24T12:00Z'],
    ['America/Havana', '2026-03-07T17:00Z'],
    ['America/Havana', '2026-10-31T17:00Z'],
    ['Pacific/Chatham', '2026-04-04T02:00Z'],
    ['Pacific/Chatham', '2026-09-26T02:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T03:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T03:00Z'],
    ['Antarctica/Troll', '2026-03-28T12:00Z'],
    ['Antarctica/Troll', '2026-10-24T12:00Z'],
  ])('are those that the wall shows, in %s on the day after %s', (zone, from) => {
    for (const [minutes, hours] of [
      ['*/15', '*'],
      ['0', '*'],
      ['0', '0'],
      ['0', '2'],
      ['30', '2'],
      ['0,30', '1-3'],
      ['15,45', '*/2'],
    ] as const) {
      const recurrence = cron(`${minutes} ${hours} * * *`, zone)
      const expected = shown(recurrence, at(from))
      const last = expected.at(-1) ?? 0
      expect(times(recurrence, from, expected.length).map(at), `${minutes} ${hours}`).toEqual(expected)
      for (let time = at(from); time <= last; time += 1_740_000) {
        const next = expected.find(each => each > time)
        const latest = expected.findLast(each => each <= time)
        if (next !== undefined) expect(nextAfter(recurrence, time)).toBe(next)
        if (latest !== undefined) expect(latestUpTo(recurrence, 0, time)).toBe(latest)
      }
    }
  })
})

/**
 * The times of a day and a half, by looking at the wall every minute. With hours of their own they come once: what is
 * shown for the second time does not count, what is left out comes as long after the change as it would have.
 */
function shown({ cron: expression, zone }: Recurrence, from: number): number[] {
  const [minutes, hours] = (expression ?? '').split(' ').map(field => new Set(valuesOf(field)))
  const everyHour = hours?.size === 60
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone ?? 'UTC',
    dateStyle: 'short',
    timeStyle: 'short',
    hourCycle: 'h23',
  })
  const wallAt = (time: number) => Date.parse(`${format.format(time).replace(', ', 'T')}Z`)
  const matches = (wall: number) =>
    minutes?.has(new Date(wall).getUTCMinutes()) && hours?.has(new Date(wall).getUTCHours())
  const found = new Set<number>()
  let last = wallAt(from)
  for (let time = from + 60_000; time <= from + 36 * 3_600_000; time += 60_000) {
    const wall = wallAt(time)
    if (matches(wall) && (everyHour || wall > last)) found.add(time)
    if (!everyHour)
      for (let left = last + 60_000; left < wall; left += 60_000)
        if (matches(left)) found.add(time + left - last - 60_000)
    last = Math.max(last, wall)
  }
  return [...found].sort((a, b) => a - b)
}

/** What a field of minutes or hours stands for. */
function valuesOf(field: string): number[] {
  const all = Array.from({ length: 60 }, (_, n) => n)
  const [, step] = /^\*\/(\d+)$/.exec(field) ?? []
  const [, first, last] = /^(\d+)-(\d+)$/.exec(field) ?? []
  if (field === '*') return all
  if (step) return all.filter(n => n % Number(step) === 0)
  if (first) return all.filter(n => n >= Number(first) && n <= Number(last))
  return field.split(',').map(Number)
}

describe('the latest time up to now', () => {
  it('is the last one that was missed, or the one that is due', () => {
    const hourly = cron('0 * * * *')
    const due = at('2026-01-01T01:00:00Z')
    expect(latestUpTo(hourly, due, due)).toBe(due)
    expect(latestUpTo(hourly, due, due + 999)).toBe(due)
    expect(latestUpTo(hourly, due, at('2026-01-01T04:59:59.999Z'))).toBe(at('2026-01-01T04:00:00Z'))
    expect(latestUpTo(hourly, due, at('2026-01-01T05:00:00.001Z'))).toBe(at('2026-01-01T05:00:00Z'))
  })

  it('counts from the beginning where it is by seconds', () => {
    const minute = every(60, 7)
    expect(nextAfter(minute, 7)).toBe(60_007)
    expect(nextAfter(minute, 60_006)).toBe(60_007)
    expect(latestUpTo(minute, 60_007, 200_000)).toBe(180_007)
  })

  it('of what happens once is that one', () => {
    const once = { cron: null, zone: null, everySeconds: null, created: 0 }
    expect(latestUpTo(once, 5, 1_000_000)).toBe(5)
    expect(nextAfter(once, 5)).toBeNull()
  })
})

describe('a recurrence', () => {
  it.each([
    ['* * * *', null, /five fields/],
    ['61 * * * *', null, /cron 61/],
    ['0 0 30 2 *', null, /cron 0 0 30 2/],
    ['nonsense', null, /five fields/],
    ['H * * * *', null, /got H/],
    ['0 0,H(1-5) * * *', null, /got H/],
    ['@reboot', null, /cron @reboot/],
    ['* * * * *', 'Europe/Nowhere', /time zone/],
  ])('that never happens is refused: %s %s', (expression, zone, message) => {
    expect(() => checkRecurrence({ cron: expression, zone })).toThrow(message)
  })

  it.each(['0 9 * * THU', '@hourly'])('with a name is taken: %s', expression => {
    expect(() => checkRecurrence({ cron: expression, zone: null })).not.toThrow()
  })
})
