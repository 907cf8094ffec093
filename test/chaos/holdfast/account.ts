import { z } from 'zod'
import { defineAggregate, type Holdfast } from '../../../src/app/index.ts'

/** What follows from a command: one of its values, and what the decision knew. */
export interface Said {
  readonly value: string
  readonly part: number
  readonly of: number
  /** How many commands had been carried out in the channel. */
  readonly before: number
}

/** Counts its commands; each says several things at once. */
export const account = defineAggregate({
  pattern: 'account:{id}',
  initial: { commands: 0 },
  evolve: ({ commands }, { data: { part, of } }: { type: 'Said'; data: Said }) => ({
    commands: part === of ? commands + 1 : commands,
  }),
  commands: {
    say: {
      schema: z.object({ values: z.array(z.string()).min(1) }),
      authorize: ({ user }) => user !== '',
      decide: ({ commands: before }, { values }) =>
        values.map((value, i) => ({
          type: 'Said' as const,
          data: { value, part: i + 1, of: values.length, before },
        })),
    },
  },
  // Small, so that a run has many of them, written and read under faults.
  snapshots: { every: 10, version: 1 },
})

/** For nodes of `holdfast serve`. */
export function setup(hf: Holdfast): void {
  hf.aggregate(account)
}
