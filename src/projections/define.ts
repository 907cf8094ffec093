import type { Contract } from '../contract/index.ts'
import { channelPattern, HoldfastError } from '../domain/index.ts'
import { boundTables, described } from './bound-tables.ts'
import { shapeOf } from './ddl.ts'
import type { Projection, ProjectionDefinition, ProjectionSettings, ProjectionTables } from './types.ts'

const defaults = { batchSize: 500 } as const

/**
 * Defines a read model: tables, and what writes them. Nothing is done before it is given to `hf.projection`.
 * @throws HoldfastError CONFIG_INVALID for a bad name, version, pattern or table
 */
export function defineProjection<
  const Channels extends string,
  Tables extends ProjectionTables,
  const Types extends string = string,
  C extends Contract = Contract,
>(definition: ProjectionDefinition<C, Channels, Types, Tables>): Projection<Tables> {
  const { apply, tables, changes } = definition
  const common = checkedCommon(definition)
  if (typeof apply !== 'function' || typeof tables !== 'function')
    throw invalid(common.name, 'expected functions as tables and apply')
  if (changes !== undefined && typeof changes !== 'string' && typeof changes !== 'function')
    throw invalid(common.name, 'expected a channel, or a function that names one, as changes')
  const projection: Projection<Tables> = {
    kind: 'projection',
    ...common,
    tables,
    // The patterns and types decide which events come: nothing else is called with them.
    apply: apply as unknown as Projection<Tables>['apply'],
    changes,
  }
  checkTables(projection)
  return projection
}

/** What all kinds of projections have. @throws HoldfastError CONFIG_INVALID */
export function checkedCommon({
  name,
  version,
  channels,
  types,
  batchSize = defaults.batchSize,
  batchDelayMs,
  concurrency,
  maxAttempts,
  retryMs,
  handlerTimeoutMs,
}: ProjectionSettings & {
  readonly name: string
  readonly version: number
  readonly channels: string | readonly string[]
  readonly types?: string | readonly string[]
}): Pick<Projection, 'name' | 'version' | 'channels' | 'types' | 'settings'> {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9_]{0,31}$/.test(name))
    throw new HoldfastError(
      'CONFIG_INVALID',
      `expected a projection's name of at most 32 small letters, digits and _, beginning with a letter, got ${JSON.stringify(String(name).slice(0, 80))}`,
    )
  if (!Number.isInteger(version) || version < 1 || version > 2 ** 31 - 1)
    throw invalid(name, `expected a version from 1 on, got ${version}`)
  const patterns = listOf(channels)
  if (patterns.length === 0) throw invalid(name, 'expected patterns of channels')
  for (const pattern of patterns) channelPattern(pattern)
  const wanted = types === undefined ? undefined : listOf(types)
  if (wanted?.some(type => typeof type !== 'string' || type === '') || wanted?.length === 0)
    throw invalid(name, 'expected types of events, or none for all')
  return {
    name,
    version,
    channels: patterns,
    types: wanted?.includes('*') ? undefined : wanted,
    settings: given({ batchSize, batchDelayMs, concurrency, maxAttempts, retryMs, handlerTimeoutMs }),
  }
}

/** All that can be wrong with the tables is said at once, before any database is asked. */
export function checkTables(projection: Projection): void {
  described(
    projection.name,
    boundTables(projection, name => name),
  )
  shapeOf(projection)
}

function listOf(one: string | readonly string[]): readonly string[] {
  return typeof one === 'string' ? [one] : [...one]
}

function given(settings: { [Key in keyof ProjectionSettings]: ProjectionSettings[Key] | undefined }) {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  ) as ProjectionSettings
}

function invalid(name: string, problem: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `projection ${name}: ${problem}`)
}
