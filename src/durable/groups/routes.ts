import { type ChannelPattern, channelPattern, HoldfastError } from '../../domain/index.ts'
import type { BatchHandler, Handler } from './types.ts'

/** Who is called: with one event, or with all that follow each other and have this same object. */
export type Handling =
  | { readonly kind: 'each'; readonly handler: Handler }
  | { readonly kind: 'batch'; readonly handler: BatchHandler }

/** What handles an event, and the values of its pattern's parameters. */
export interface Route {
  readonly handling: Handling
  readonly params: Readonly<Record<string, string>>
}

interface Entry {
  readonly pattern: ChannelPattern
  /** Undefined: all. */
  readonly types: ReadonlySet<string> | undefined
  readonly handling: Handling
}

/** The handlers of one group, in the order in which they were declared. */
export class Routes {
  readonly #entries: Entry[] = []

  get size(): number {
    return this.#entries.length
  }

  /** @throws HoldfastError CONFIG_INVALID for patterns or types that could never match */
  add(patterns: string | readonly string[], types: string | readonly string[], handling: Handling): void {
    const channels = typeof patterns === 'string' ? [patterns] : patterns
    const list = typeof types === 'string' ? [types] : types
    if (channels.length === 0) throw new HoldfastError('CONFIG_INVALID', 'expected a pattern of channels')
    if (list.length === 0 || list.some(type => typeof type !== 'string' || type === '')) {
      throw new HoldfastError('CONFIG_INVALID', `${channels}: expected types of events, or * for all`)
    }
    if (typeof handling.handler !== 'function') {
      throw new HoldfastError('CONFIG_INVALID', `${channels}: expected a function as handler`)
    }
    const entries = channels.map(pattern => ({
      pattern: channelPattern(pattern),
      types: list.includes('*') ? undefined : new Set(list),
      handling,
    }))
    this.#entries.push(...entries)
  }

  /** The first that matches counts. */
  match(channel: string, type: string): Route | undefined {
    for (const { pattern, types, handling } of this.#entries) {
      if (types && !types.has(type)) continue
      const params = pattern.match(channel)
      if (params) return { handling, params }
    }
    return undefined
  }

  /** The namespaces that the patterns may match; null where it could be any. */
  namespaces(): readonly string[] | null {
    const all = this.#entries.map(({ pattern }) => namespaceOfPattern(pattern.source))
    return all.some(namespace => namespace === null) ? null : [...new Set(all as string[])].sort()
  }
}

/** A leading `$` marks a private channel, and is not part of its namespace. */
function namespaceOfPattern(source: string): string | null {
  const literal = source.replace(/^\$/, '').split(/[{*]/)[0] ?? ''
  const colon = literal.indexOf(':')
  if (colon >= 0) return literal.slice(0, colon)
  return literal.length === source.replace(/^\$/, '').length ? '' : null
}
