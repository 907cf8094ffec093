import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { alerts, panels } from '../../observability/expressions.ts'
import { allFaults } from '../faults/all.ts'
import { observedFile } from './command.ts'
import { type KeptObservations, keepObservations, writeObserved } from './document.ts'
import { expectations } from './expectations.ts'
import { moveOf } from './moves.ts'
import type { Observation } from './observer.ts'

describe('what is to be seen of faults', () => {
  it('is said of each, by panels and alerts that there are', () => {
    expect(Object.keys(expectations).sort()).toEqual(allFaults.map(({ name }) => name).sort())
    const boards = new Set(panels.map(({ where }) => where))
    const known = new Set<string>(alerts.map(({ alert }) => alert))
    for (const [fault, { panel, alert }] of Object.entries(expectations)) {
      expect(boards, fault).toContain(panel)
      expect(known, fault).toContain(alert)
    }
  })

  it('is in docs/CHAOS.md as it was recorded', async () => {
    const text = await readFile(new URL('../../../docs/CHAOS.md', import.meta.url), 'utf8')
    const kept = JSON.parse(await readFile(observedFile, 'utf8')) as KeptObservations
    expect(writeObserved(text, kept)).toBe(text)
    const recorded = kept.observations.map(({ fault, panel, alert }) => [fault, panel, alert])
    expect(recorded).toEqual(
      allFaults.map(({ name }) => [name, expectations[name]?.panel, expectations[name]?.alert]),
    )
  })

  it('keeps other rows when some are recorded anew', () => {
    const row = (fault: string, firedAfterMs = 1) => ({ fault, firedAfterMs }) as Observation
    expect(keepObservations([row('a'), row('c')], [row('b'), row('a', 2)], ['a', 'b', 'c'])).toEqual([
      row('a', 2),
      row('b'),
      row('c'),
    ])
  })
})

describe('a panel moves', () => {
  const line = (node: string, ...values: number[]) => ({ metric: { instance: node }, values })
  const steady = [line('a', 0, 0, 0, 0), line('b', 10, 11, 10, 9)]

  it('not while its lines stay where they were', () => {
    expect(moveOf(steady, [line('a', 0, 0, 0, 0), line('b', 9, 12, 10, 10)])).toBeUndefined()
    expect(moveOf([], [])).toBeUndefined()
    expect(moveOf([], [line('c', 0, 0, 0, 0)])).toBeUndefined()
  })

  it('when one process of four goes', () => {
    const move = moveOf([line('count', 4, 4, 4, 4)], [line('count', 4, 3, 3, 4)])
    expect(move).toMatchObject({ from: 4, to: 3 })
  })

  it.each([
    [
      'when one leaves its range',
      [line('a', 0, 2, 2, 0), line('b', 10, 10, 10, 10)],
      { line: 'instance=a', from: 0, to: 2 },
    ],
    [
      'when one falls',
      [line('a', 0, 0, 0, 0), line('b', 10, 2, 2, 2)],
      { line: 'instance=b', from: 9, to: 2 },
    ],
    ['when one begins', [...steady, line('c', 5, 5, 5, 5)], { line: 'instance=c', from: undefined, to: 5 }],
    ['when one ends', [line('a', 0, 0, 0, 0)], { line: 'instance=b', from: 9, to: undefined }],
    [
      'when one breaks off',
      [line('a', 0, 0, 0, 0), line('b', 10, 10)],
      { line: 'instance=b', from: 9, to: undefined },
    ],
  ])('%s', (_, after, move) => {
    expect(moveOf(steady, after)).toMatchObject(move)
  })
})
