import { sql } from 'drizzle-orm'
import { integer, real, text, timestamp } from 'drizzle-orm/pg-core'
import { defineProjection } from '../define.ts'
import type { Projection, TableMaker } from '../types.ts'
import type { BuiltInOptions } from './channel-activity.ts'

/** An earthquake as the USGS reports it (`scripts/feed-quakes.ts`): of GeoJSON what is used here. */
interface Quake {
  readonly properties: { readonly time: number; readonly mag: number | null; readonly place: string }
}

function tablesOf({ table }: TableMaker) {
  return {
    regions: table('regions', {
      region: text().primaryKey(),
      quakes: integer().notNull(),
      /** Magnitude; null while none of them has one. */
      strongest: real(),
      strongestPlace: text('strongest_place'),
      strongestTime: timestamp('strongest_time', { withTimezone: true }),
      latestPlace: text('latest_place').notNull(),
      latestTime: timestamp('latest_time', { withTimezone: true }).notNull(),
    }),
  }
}

export type QuakesByRegionTables = ReturnType<typeof tablesOf>
type Region = QuakesByRegionTables['regions']['$inferSelect']

/** As the reports abbreviate them. */
const longNames: Readonly<Record<string, string>> = { CA: 'California', MX: 'Mexico' }

/**
 * Of the demo's data: how many earthquakes a region had, its strongest and its latest.
 * @throws HoldfastError CONFIG_INVALID for a bad pattern
 */
export function quakesByRegion({
  channels = 'quakes:*',
  changes,
}: BuiltInOptions = {}): Projection<QuakesByRegionTables> {
  return defineProjection({
    name: 'quakes_by_region',
    version: 1,
    channels,
    types: 'EarthquakeReported',
    tables: tablesOf,
    async apply(events, { db, tables: { regions }, changed }) {
      const rows = regionsOf(events.map(({ data }) => data).filter(isQuake))
      if (rows.length === 0) return
      // Of two that are equally strong the one that came first stays.
      const stronger = sql`coalesce(excluded.strongest > ${regions.strongest}, ${regions.strongest} is null)`
      const later = sql`excluded.latest_time >= ${regions.latestTime}`
      await db
        .insert(regions)
        .values(rows)
        .onConflictDoUpdate({
          target: regions.region,
          set: {
            quakes: sql`${regions.quakes} + excluded.quakes`,
            strongest: sql`case when ${stronger} then excluded.strongest else ${regions.strongest} end`,
            strongestPlace: sql`case when ${stronger} then excluded.strongest_place else ${regions.strongestPlace} end`,
            strongestTime: sql`case when ${stronger} then excluded.strongest_time else ${regions.strongestTime} end`,
            latestPlace: sql`case when ${later} then excluded.latest_place else ${regions.latestPlace} end`,
            latestTime: sql`greatest(excluded.latest_time, ${regions.latestTime})`,
          },
        })
      changed(regions, rows)
    },
    ...(changes !== undefined && { changes }),
  })
}

/** `4km W of Castaic, CA` is in California; what names no region is one, like `Gulf of Alaska`. */
export function regionOf(place: string): string {
  const region = place.slice(place.lastIndexOf(', ') + 1).trim() || place
  return longNames[region] ?? region
}

function isQuake(data: unknown): data is Quake {
  const { time, mag, place } = (data as Partial<Quake> | null)?.properties ?? {}
  const known = Number.isFinite(time) && typeof place === 'string' && place !== ''
  return known && (mag === null || Number.isFinite(mag))
}

/** Sorted: batches of several channels share the rows, and would wait for each other. */
function regionsOf(quakes: readonly Quake[]): Region[] {
  const regions = new Map<string, Region>()
  for (const { properties } of quakes) {
    const region = regionOf(properties.place)
    const one = regionWith(properties)
    const known = regions.get(region)
    regions.set(region, known ? joined(known, one) : { region, ...one })
  }
  return [...regions.values()].sort((a, b) => (a.region < b.region ? -1 : 1))
}

function regionWith({ time, mag, place }: Quake['properties']): Omit<Region, 'region'> {
  const at = new Date(time)
  const strongest =
    mag === null
      ? { strongest: null, strongestPlace: null, strongestTime: null }
      : { strongest: mag, strongestPlace: place, strongestTime: at }
  return { quakes: 1, ...strongest, latestPlace: place, latestTime: at }
}

function joined(known: Region, { quakes, latestPlace, latestTime, ...one }: Omit<Region, 'region'>): Region {
  const stronger = (one.strongest ?? -Infinity) > (known.strongest ?? -Infinity)
  return {
    ...known,
    ...(stronger && one),
    ...(latestTime >= known.latestTime && { latestPlace, latestTime }),
    quakes: known.quakes + quakes,
  }
}
