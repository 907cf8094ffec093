/** CRC16 as Redis Cluster uses it: polynomial 0x1021, begun with zero. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

export const slotCount = 16_384

/** The slot of a Redis Cluster in which a key or a sharded channel lies: that of its hash tag, where it has one. */
export function slotOf(name: string): number {
  const open = name.indexOf('{')
  const end = open < 0 ? -1 : name.indexOf('}', open + 1)
  const tag = end > open + 1 ? name.slice(open + 1, end) : name
  let crc = 0
  for (const byte of Buffer.from(tag))
    crc = ((crc << 8) ^ (table[((crc >> 8) ^ byte) & 0xff] as number)) & 0xffff
  return crc % slotCount
}
