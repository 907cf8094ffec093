import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type Kept, keepOver, writeTables } from './documents.ts'
import { allFaults } from './faults/all.ts'
import { type Line, noFault, noFaultAbout } from './report.ts'

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')
const line = (system: string, fault: string, seed = 1) => ({ system, fault, seed }) as Line

describe('docs/CHAOS.md', () => {
  it('shows what is recorded', async () => {
    const [text, recorded] = [await read('../../docs/CHAOS.md'), await read('./results/recorded.json')]
    expect(writeTables(text, JSON.parse(recorded) as Kept)).toBe(text)
  })

  it('has a row for every fault that there is, and for no other', async () => {
    const { lines } = JSON.parse(await read('./results/recorded.json')) as Kept
    const ours = lines.filter(({ system }) => system === 'holdfast')
    const known = [{ name: noFault, about: noFaultAbout }, ...allFaults]
    expect(
      ours.filter(({ fault, about }) => !known.some(each => each.name === fault && each.about === about)),
    ).toEqual([])
    const missing = allFaults.filter(({ name }) => !ours.some(({ fault }) => fault === name))
    expect(missing.filter(({ unavailable }) => unavailable?.() === undefined)).toEqual([])
  })

  it('keeps the other rows when some are recorded anew, in the order of the faults', () => {
    const earlier = { lines: [line('a', 'x'), line('a', 'z'), line('b', 'x')] }
    const kept = keepOver(earlier, [line('a', 'y', 2), line('a', 'x', 2)], ['x', 'y', 'z'])
    expect(kept.lines).toEqual([line('a', 'x', 2), line('a', 'y', 2), line('a', 'z'), line('b', 'x')])
  })
})
