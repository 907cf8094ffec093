import { describe, expect, it } from 'vitest'
import { definitionOf, matcherOf, ruleOf } from './rule.ts'

const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

describe('a rule', () => {
  it('has defaults by where its events go', () => {
    const webhook = ruleOf('partner', {
      on: { channel: 'order:{id}', type: 'Placed' },
      webhook: { url: 'https://example.com/', secrets: [secret] },
    })
    expect(webhook).toMatchObject({ attempts: 20, backoffMs: { first: 5_000 }, types: ['Placed'] })
    const handler = ruleOf('mail', { on: { channel: 'order:*' }, handler: 'mail', attempts: 3 })
    expect(handler).toMatchObject({ attempts: 3, backoffMs: { first: 1_000 }, types: null })
    const queue = ruleOf('own', { on: { channel: '*', type: ['A', 'B'] }, queue: { name: 'mine' } })
    expect(queue.target).toEqual({ kind: 'queue', queue: 'mine', prefix: 'bull', job: null })
  })

  it('tells other nodes neither address nor secret', () => {
    const rule = ruleOf('partner', {
      on: { channel: 'order:{id}', type: 'Placed' },
      webhook: { url: 'https://example.com/hidden', secrets: [secret], headers: { 'x-key': 'hidden' } },
    })
    expect(JSON.stringify(definitionOf(rule))).not.toMatch(/hidden|whsec/)
  })

  it.each([
    ['Bad', { on: { channel: '*' }, handler: 'a' }, /name of 1 to 64/],
    ['', { on: { channel: '*' }, handler: 'a' }, /name of 1 to 64/],
    ['a', { on: { channel: '*' } }, /exactly one of webhook, handler and queue/],
    ['a', { on: { channel: '*' }, handler: 'a', queue: { name: 'b' } }, /exactly one of/],
    ['a', { on: { channel: 'order:{' }, handler: 'a' }, /on\.channel/],
    ['a', { on: { channel: '*', type: [] }, handler: 'a' }, /on\.type/],
    ['a', { on: { channel: '*' }, queue: { name: 'a:b' } }, /without a colon/],
    ['a', { on: { channel: '*' }, handler: 'a', backoffMs: { first: 2, most: 1 } }, /at most as large/],
    ['a', { on: { channel: '*' }, handler: 'a', attempt: 1 }, /attempt/],
  ])('is refused where it makes no sense: %s %j', (name, definition, message) => {
    expect(() => ruleOf(name, definition as never)).toThrow(message)
  })

  it('is for the types and channels that it names', () => {
    const placed = matcherOf({ channel: 'order:{id}', types: ['Placed'] })
    expect(placed({ channel: 'order:7', type: 'Placed' })).toBe(true)
    expect(placed({ channel: 'order:7', type: 'Paid' })).toBe(false)
    expect(placed({ channel: 'order:7:lines', type: 'Placed' })).toBe(false)
    expect(matcherOf({ channel: 'order:*', types: null })({ channel: 'order:7:lines', type: 'x' })).toBe(true)
  })
})
