import { expect, it } from 'vitest'
import type { BuildReport } from '../projections/index.ts'
import { buildProgress, spanText } from './build-progress.ts'

const at = (done: number, rest: Partial<BuildReport> = {}) =>
  ({ progress: { done, total: 1_000 }, known: true, paused: false, ...rest }) as BuildReport

it('says where a build is to whoever has no terminal, now and then', () => {
  const lines: string[] = []
  const progress = buildProgress('build 3', { write: (line: string) => lines.push(line) } as never)
  progress.tell(at(10))
  progress.tell(at(20))
  progress.stop()
  expect(lines).toEqual(['build 3: 10 of 1000, begins\n'])
})

it.each<[Partial<BuildReport>, string]>([
  [{ known: false }, 'waits for a node that declares it'],
  [{ paused: true }, 'paused'],
])('says what keeps it: %o', (state, said) => {
  const lines: string[] = []
  buildProgress('it', { write: (line: string) => lines.push(line) } as never).tell(at(0, state))
  expect(lines[0]).toBe(`it: 0 of 1000, ${said}\n`)
})

it('shows a bar with the rate and the time left on a terminal', async () => {
  let shown = ''
  const stream = {
    ...{ isTTY: true, columns: 200, fd: -1 },
    ...{ write: (text: string) => (shown += text), on: () => undefined, removeListener: () => undefined },
    ...{ cursorTo: () => undefined, clearLine: () => undefined, moveCursor: () => undefined },
  }
  const progress = buildProgress('it', stream as never)
  progress.tell(at(0))
  await new Promise(resolve => setTimeout(resolve, 50))
  progress.tell(at(500))
  progress.stop()
  expect(shown).toMatch(/500 of 1000 {2}[\d,]+\/s, 1 s left/)
})

it('says spans as people do', () => {
  expect([0.2, 89, 91, 5_399, 7_500].map(spanText)).toEqual([
    '1 s',
    '89 s',
    '2 min',
    '1 h 30 min',
    '2 h 5 min',
  ])
})
