/**
 * What a partition's notice says: that it has moved without announcing each event, or that an event of a channel was
 * erased. Whatever it says, the partition's channels are compared; so a word of another release costs one comparison.
 */
export type Notice =
  | { readonly kind: 'moved' | 'foreign' }
  | { readonly kind: 'forget'; readonly channel: string }

export function readNotice(message: Buffer): Notice {
  const text = message.toString()
  const channel = /^forget (\S+)$/.exec(text)?.[1]
  if (channel !== undefined) return { kind: 'forget', channel }
  return { kind: /^\d+$/.test(text) ? 'moved' : 'foreign' }
}
