import type { Fault } from '../types.ts'
import { nodeFaults } from './nodes.ts'
import { postgresFaults } from './postgres.ts'
import { redisFaults } from './redis.ts'

/** Every fault there is, in the order of the table. */
export const allFaults: readonly Fault[] = [...redisFaults, ...postgresFaults, ...nodeFaults]
