import { Deliveries, Lane } from '../../src/hub/index.ts'

const messages = 4_000_000
const perRoom = 5

/**
 * What a node counts and times of each realtime delivery, whether or not somebody reads it: each message expected once for
 * its room, one of sixteen timed, and each socket's write counted. Microseconds for each delivery, of one process that does
 * nothing else.
 */
export function countingMicroseconds(): number {
  const deliveries = new Deliveries()
  run(deliveries, messages / 10)
  const began = process.cpuUsage()
  run(deliveries, messages)
  const { user, system } = process.cpuUsage(began)
  return (user + system) / (messages * perRoom)
}

function run(deliveries: Deliveries, count: number): void {
  const { written } = deliveries
  for (let n = 0; n < count; n++) {
    deliveries.expect(Lane.realtime, perRoom)
    if (deliveries.due(Lane.realtime)) deliveries.begin(Lane.realtime, 0.001)
    for (let socket = 0; socket < perRoom; socket++)
      written[Lane.realtime] = (written[Lane.realtime] as number) + 1
    deliveries.settle()
  }
}
