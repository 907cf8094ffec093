import type { Part } from '../report/rows.ts'
import type { Stage } from '../stage/stage.ts'

export interface Bench {
  readonly stage: Stage
  /** The length of each measured window. */
  readonly seconds: number
  /** How many events a rebuild has to go through. */
  readonly events: number
  /** Says what happens now. */
  readonly say: (line: string) => void
}

export interface PartDefinition {
  readonly name: string
  readonly title: string
  measure(bench: Bench): Promise<Omit<Part, 'name' | 'title'>>
}
