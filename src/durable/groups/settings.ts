import { HoldfastError } from '../../domain/index.ts'
import type { GroupOptions } from './types.ts'

/** A group's options with every default filled in. */
export type GroupSettings = Required<GroupOptions>

const defaults: GroupSettings = {
  mode: 'ordered',
  start: 'beginning',
  batchSize: 1,
  batchDelayMs: 0,
  concurrency: 4,
  maxAttempts: 10,
  retryMs: { first: 1_000, most: 300_000 },
  handlerTimeoutMs: 30_000,
}

/** What an operator could not have meant; far above what helps. */
const bounds = {
  batchSize: [1, 1_000],
  // Events that were read longer ago than about this are let go of, because an erasure counts on it.
  batchDelayMs: [0, 4_000],
  concurrency: [1, 1_000],
  maxAttempts: [1, 1_000_000],
  handlerTimeoutMs: [1, 24 * 3_600_000],
} as const

/** Names that begin so are the system's own. */
export const ownPrefix = 'holdfast.'

/** @throws HoldfastError CONFIG_INVALID */
export function checkGroupName(name: string, internal: boolean): void {
  const plain = internal && name.startsWith(ownPrefix) ? name.slice(ownPrefix.length) : name
  if (typeof name === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(plain)) return
  throw invalid(
    `expected a group's name of 1 to 64 letters, digits, _ or -, got ${JSON.stringify(String(name).slice(0, 80))}`,
  )
}

/** @throws HoldfastError CONFIG_INVALID naming the option */
export function groupSettings(name: string, options: GroupOptions): GroupSettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const foreign = given.find(([key]) => !Object.hasOwn(defaults, key))
  if (foreign) throw invalid(`group ${name}: there is no option ${foreign[0]}`)
  const settings: GroupSettings = { ...defaults, ...Object.fromEntries(given) }
  if (!['ordered', 'competing'].includes(settings.mode))
    throw invalid(
      `group ${name}: expected ordered or competing as mode, got ${JSON.stringify(settings.mode)}`,
    )
  if (!['beginning', 'now'].includes(settings.start))
    throw invalid(`group ${name}: expected beginning or now as start, got ${JSON.stringify(settings.start)}`)
  for (const [key, [least, most]] of Object.entries(bounds)) {
    const value = settings[key as keyof typeof bounds]
    if (!Number.isInteger(value) || value < least || value > most)
      throw invalid(`group ${name}: expected a whole number from ${least} to ${most} as ${key}, got ${value}`)
  }
  const { first, most } = settings.retryMs
  if (!(Number.isFinite(first) && Number.isFinite(most) && first >= 0 && most >= first))
    throw invalid(
      `group ${name}: expected retryMs with 0 ≤ first ≤ most, got ${JSON.stringify(settings.retryMs)}`,
    )
  return settings
}

function invalid(message: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message)
}
