import type { Fault } from '../types.ts'
import { clientFaults } from './clients.ts'
import { clockFaults } from './clock.ts'
import { mix } from './mix.ts'
import { nodeFaults } from './nodes.ts'
import { postgresFaults } from './postgres.ts'
import { redisFaults } from './redis.ts'

const single: readonly Fault[] = [
  ...redisFaults,
  ...postgresFaults,
  ...nodeFaults,
  ...clientFaults,
  ...clockFaults,
]

/** Every fault there is, in the order of the table. */
export const allFaults: readonly Fault[] = [...single, mix(single)]
