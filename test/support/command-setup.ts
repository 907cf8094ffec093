import type { Holdfast } from '../../src/app/index.ts'
import { purseDefinition } from './command-nodes.ts'

/** What the nodes of tests of commands declare. */
export function setup(hf: Holdfast): void {
  hf.aggregate(purseDefinition({ every: 20, version: 1 }))
}
