/**
 * The partition of a channel: FNV-1a (32 bit) over the name's bytes, then the finalizer of MurmurHash3, because
 * the low bits of FNV alone hardly depend on the high bits of the name, modulo the number of partitions.
 * Events lie where this puts them, so it must never change; names are ASCII, so a character is a byte.
 */
export function partitionOf(channel: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < channel.length; i++) {
    hash = Math.imul(hash ^ channel.charCodeAt(i), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % partitions
}
