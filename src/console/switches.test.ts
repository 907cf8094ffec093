import { describe, expect, it } from 'vitest'
import { NamespaceSwitches } from './switches.ts'

describe('a read-only namespace', () => {
  it('refuses its own channels, private ones too, and no others', () => {
    const switches = new NamespaceSwitches()
    expect(switches.refusal('order:1')).toBeUndefined()
    switches.learn(new Map([['order', { since: 1, by: 'console:ann', reason: null }]]), 1)
    for (const channel of ['order:1', '$order:1'])
      expect(switches.refusal(channel)).toMatchObject({ code: 'READ_ONLY', remedy: 'retry_later' })
    expect(switches.refusal('orders:1')).toBeUndefined()
    expect(() => switches.admit('order:1')).toThrow('takes no publications')
    expect(switches.refused).toBe(3)
  })
})
