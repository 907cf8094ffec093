/** The data of the n-th event: 128 bytes of JSON, like the payload of the fan-out messages. */
export function eventData(n: number): string {
  const number = String(n).padStart(12, '0')
  return `{"order":"${number}","fill":"${'x'.repeat(128 - 12 - '{"order":"","fill":""}'.length)}"}`
}
