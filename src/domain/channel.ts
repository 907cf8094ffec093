import { HoldfastError } from './errors.ts'

/** Longest channel name, in characters. Names are printable ASCII, so this is bytes too. */
export const maxChannelLength = 255

const printableAscii = /^[\x21-\x7e]+$/

/**
 * Checks a channel's name: 1 to 255 printable ASCII characters without spaces.
 * @throws HoldfastError CHANNEL_INVALID
 */
export function checkChannel(name: string): string {
  if (name.length === 0 || name.length > maxChannelLength || !printableAscii.test(name)) {
    const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name
    throw new HoldfastError(
      'CHANNEL_INVALID',
      `expected a channel of 1 to ${maxChannelLength} printable ASCII characters, got ${JSON.stringify(shown)} (${name.length})`,
    )
  }
  return name
}

/** The part before the first `:`; the empty string for a channel without one. A leading `$` is not part of it. */
export function namespaceOf(channel: string): string {
  const start = isPrivate(channel) ? 1 : 0
  const colon = channel.indexOf(':', start)
  return colon < 0 ? '' : channel.slice(start, colon)
}

/**
 * What Holdfast itself records lies here: erasures, webhooks that were disabled. Nobody else writes to it, and an
 * application's code is not asked who may read it: only the namespace's own `allow` lists say.
 */
export const systemNamespace = 'holdfast'

export function isSystemChannel(channel: string): boolean {
  return namespaceOf(channel) === systemNamespace
}

/**
 * Where canaries publish and append, by tier. No configuration can declare a namespace with this first character, no
 * application's pattern matches these channels, and nobody but the canaries may use them.
 */
export const canaryNamespaces = { realtime: '~realtime', durable: '~durable' } as const

export function isCanaryChannel(channel: string): boolean {
  const first = channel[0]
  // A channel of the namespace without a name may begin with a tilde as well.
  return (first === '~' || first === '$') && namespaceOf(channel)[0] === '~'
}

/** Whether a subscription needs a channel token: the name begins with `$`. */
export function isPrivate(channel: string): boolean {
  return channel.charCodeAt(0) === 36
}

/**
 * A compiled channel pattern such as `room:{room}`: each `{name}` stands for one or more characters but `:`. None matches
 * the canaries' channels: what an application says of all its channels is not said of those.
 */
export interface ChannelPattern {
  readonly source: string
  /** The values of the pattern's parameters in `channel`, or undefined where it does not match. */
  match(channel: string): Record<string, string> | undefined
}

/**
 * Compiles a pattern: `room:{room}`, `order:{id}:lines`, `quakes:*` (a final `*` takes all the rest).
 * @throws HoldfastError CONFIG_INVALID for an unnamed or repeated parameter, and for a brace or star elsewhere: taken
 *   literally it would match nothing, and nobody would miss the hook that never runs
 */
export function channelPattern(source: string): ChannelPattern {
  if (isCanaryChannel(source)) {
    throw new HoldfastError(
      'CONFIG_INVALID',
      `channel pattern ${source}: namespaces with ~ are the canaries'`,
    )
  }
  const names: string[] = []
  const parts = source.split(/(\{[^{}]*\}|\*$)/)
  const body = parts.map((part, i) => {
    // Behind the separator that a final star is, `split` leaves an empty part.
    if (part === '*' && i === parts.length - 2) return '.*'
    if (!part.startsWith('{') || !part.endsWith('}')) {
      if (/[{}*]/.test(part)) {
        throw new HoldfastError(
          'CONFIG_INVALID',
          `channel pattern ${source}: expected braces around names, and * at the end only`,
        )
      }
      return part.replace(/[\\^$.+?()[\]|]/g, '\\$&')
    }
    const name = part.slice(1, -1)
    if (!/^[A-Za-z_]\w*$/.test(name) || names.includes(name)) {
      throw new HoldfastError(
        'CONFIG_INVALID',
        `channel pattern ${source}: expected distinct names in braces, got {${name}}`,
      )
    }
    names.push(name)
    return '([^:]+)'
  })
  const regex = new RegExp(`^${body.join('')}$`)
  return {
    source,
    match(channel) {
      if (isCanaryChannel(channel)) return undefined
      const found = regex.exec(channel)
      if (!found) return undefined
      return Object.fromEntries(names.map((name, i) => [name, found[i + 1] ?? '']))
    },
  }
}
