/** The clock on the wall of a time zone. Its times are milliseconds too, as if the wall were in UTC. */
export interface ZoneClock {
  /** What the wall is ahead of UTC at a time. */
  offsetAt(time: number): number
  /** The moment in (from, to] at which the clock was put forward or back; null: its offset is the same at both ends. */
  changeIn(from: number, to: number): ClockChange | null
}

export interface ClockChange {
  /** The first millisecond with the new offset. */
  readonly time: number
  readonly before: number
  readonly after: number
}

/** @param zone IANA name; null: UTC */
export function zoneClock(zone: string | null): ZoneClock {
  const offsetAt = zone === null || zone === 'UTC' ? () => 0 : offsetsOf(zone)
  return {
    offsetAt,
    changeIn(from, to) {
      const before = offsetAt(from)
      if (offsetAt(to) === before) return null
      let [last, time] = [from, to]
      while (time - last > 1) {
        const middle = Math.floor((last + time) / 2)
        if (offsetAt(middle) === before) last = middle
        else time = middle
      }
      return { time, before, after: offsetAt(time) }
    },
  }
}

function offsetsOf(zone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
  return time => {
    const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign, hours = 0, minutes = 0, seconds = 0] = /([+-])(\d+):(\d+)(?::(\d+))?/.exec(name) ?? []
    const offset = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
    return sign === '-' ? -offset : offset
  }
}
