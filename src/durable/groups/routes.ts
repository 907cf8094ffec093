import { type ChannelPattern, channelPattern, HoldfastError } from '../../domain/index.ts'
import type { Handler } from './types.ts'

/** What handles an event, and the values of its pattern's parameters. */
export interface Route {
  readonly handler: Handler
  readonly params: Readonly<Record<string, string>>
}

interface Entry {
  readonly pattern: ChannelPattern
  /** Undefined: all. */
  readonly types: ReadonlySet<string> | undefined
  readonly handler: Handler
}

/** The handlers of one group, in the order in which they were declared. */
export class Routes {
  readonly #entries: Entry[] = []

  get size(): number {
    return this.#entries.length
  }

  /** @throws HoldfastError CONFIG_INVALID for a pattern or types that could never match */
  add(pattern: string, types: string | readonly string[], handler: Handler): void {
    const list = typeof types === 'string' ? [types] : types
    if (list.length === 0 || list.some(type => typeof type !== 'string' || type === '')) {
      throw new HoldfastError('CONFIG_INVALID', `${pattern}: expected types of events, or * for all`)
    }
    if (typeof handler !== 'function') {
      throw new HoldfastError('CONFIG_INVALID', `${pattern}: expected a function as handler`)
    }
    this.#entries.push({
      pattern: channelPattern(pattern),
      types: list.includes('*') ? undefined : new Set(list),
      handler,
    })
  }

  /** The first that matches counts. */
  match(channel: string, type: string): Route | undefined {
    for (const { pattern, types, handler } of this.#entries) {
      if (types && !types.has(type)) continue
      const params = pattern.match(channel)
      if (params) return { handler, params }
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
