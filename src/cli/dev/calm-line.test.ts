import { expect, it } from 'vitest'
import { CalmOutput } from './calm-line.ts'

function shown(...lines: readonly (readonly [from: string, text: string])[]): string[] {
  const printed: string[] = []
  const output = new CalmOutput(line => printed.push(line))
  for (const [from, text] of lines) output.line(from, text)
  return printed
}

const warning = (fields: object) =>
  JSON.stringify({ level: 40, time: '2026-01-01T00:00:00Z', node: 'a', ...fields })

it('shows warnings and errors in one line, with an error’s message and without its stack', () => {
  expect(
    shown(['8000', warning({ msg: 'redis is away', err: { message: 'refused', stack: 'at …' } })]),
  ).toEqual(['[8000] warning: redis is away (err=refused)'])
})

it('keeps to itself what only says that all is well', () => {
  expect(shown(['8000', JSON.stringify({ level: 30, msg: 'fine' })], ['8000', '  '])).toEqual([])
})

it('passes on what is no log line', () => {
  expect(shown(['8000', 'Error: something'], ['8000', '{broken'])).toEqual([
    '[8000] Error: something',
    '[8000] {broken',
  ])
})

it('says once what two nodes or two connections of a node say at the same time', () => {
  const line = (role: string) => warning({ msg: 'redis is away', role, err: 'refused' })
  expect(
    shown(['8000', line('command')], ['8001', line('command')], ['8000', line('subscriber')]),
  ).toHaveLength(1)
})
