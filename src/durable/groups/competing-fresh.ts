import { transaction } from '../../platform/index.ts'
import { dueIn, stateOf } from './competing-due.ts'
import { takePositions } from './competing-store.ts'
import type { LogPlace } from './competing-stream.ts'
import type { Manner } from './competing-turns.ts'
import { insertRows } from './delivery-rows.ts'
import type { GroupStore } from './group-store.ts'

/** How events of one partition are claimed and settled that are handled for the first time. */
export function freshManner(store: GroupStore, group: string, place: LogPlace): Manner {
  return {
    async take(tx, items) {
      const taken = await takePositions(
        tx,
        group,
        place,
        items.map(({ event }) => event.position),
      )
      return items.filter(({ event }) => taken.has(event.position))
    },
    // Taken is settled: the transaction of the effect has the position, or neither is there.
    settle: () => [],
    owe({ event, attempt }, failure) {
      const { reason } = failure
      const row = { event, state: stateOf(failure), attempts: attempt, reason, dueInMs: dueIn(failure) }
      return store.run(sql =>
        transaction(sql, async tx => {
          const taken = await takePositions(tx, group, place, [event.position])
          if (taken.size === 0) return false
          await insertRows(tx, group, [row])
          return true
        }),
      )
    },
  }
}
