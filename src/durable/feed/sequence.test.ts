import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linesOf, type Run } from './run.ts'
import { Sequence } from './sequence.ts'

const run = (first: number, count: number): Run => ({
  first,
  count,
  text: Array.from({ length: count }, (_, i) => String(first + i)).join('\n'),
})

/** Delivers what there is, as the numbers in the lines. */
function drain(sequence: Sequence): number[] {
  const delivered: number[] = []
  for (let next = sequence.take(); next; next = sequence.take()) delivered.push(...linesOf(next).map(Number))
  return delivered
}

const act = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      first: fc.integer({ min: 1, max: 60 }),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('hear' as const), head: fc.integer({ min: 0, max: 60 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('page' as const), count: fc.integer({ min: 1, max: 9 }) }),
  },
)

describe('a channel’s sequence', () => {
  it('delivers every offset once and in order, whatever comes twice, late, early or not at all', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.array(act, { maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 5 }),
        (start, acts, maxRuns, startAfter) => {
          const sequence = new Sequence({ maxRuns, maxBytes: 60 })
          const delivered: number[] = []
          let known = start
          acts.forEach((each, i) => {
            if (i === startAfter) {
              sequence.start(start)
              delivered.push(...drain(sequence))
            }
            if (each.kind === 'run') {
              sequence.offer(run(each.first, each.count))
              known = Math.max(known, each.first + each.count - 1)
            } else if (each.kind === 'hear') {
              sequence.hear(each.head)
              known = Math.max(known, each.head)
            } else {
              const hole = sequence.hole()
              if (hole) sequence.offer(run(hole.after + 1, Math.min(each.count, hole.to - hole.after)))
            }
            delivered.push(...drain(sequence))
          })
          if (!sequence.started) sequence.start(start)
          delivered.push(...drain(sequence))
          // Whatever was let go meanwhile is still known to be missing, and reading closes it.
          for (let hole = sequence.hole(); hole; hole = sequence.hole()) {
            expect(hole.after).toBe(sequence.position)
            expect(hole.to).toBeGreaterThan(hole.after)
            sequence.offer(run(hole.after + 1, 1))
            delivered.push(...drain(sequence))
          }
          expect(delivered).toEqual(Array.from({ length: known - start }, (_, i) => start + 1 + i))
          expect(sequence.position).toBe(known)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('holds everything until it knows where to begin', () => {
    const sequence = new Sequence()
    sequence.offer(run(8, 1))
    sequence.offer(run(7, 1))
    expect([drain(sequence), sequence.hole()]).toEqual([[], undefined])
    sequence.start(7)
    expect([drain(sequence), sequence.hole()]).toEqual([[8], undefined])
  })

  it('lets a full waiting room go and asks for all of it again', () => {
    const sequence = new Sequence({ maxRuns: 2, maxBytes: 1_000 })
    sequence.start(0)
    for (const first of [3, 5, 7]) sequence.offer(run(first, 1))
    expect(sequence.hole()).toEqual({ after: 0, to: 7 })
    sequence.offer(run(1, 6))
    expect(drain(sequence)).toEqual([1, 2, 3, 4, 5, 6])
    expect(sequence.hole()).toEqual({ after: 6, to: 7 })
  })
})
