import { describe, expect, it } from 'vitest'
import { slotOf } from '../platform/index.ts'
import { Keys } from './keys.ts'
import { ShardedKeys } from './sharded-keys.ts'

const keys = new ShardedKeys('holdfast')
const channels = Array.from({ length: 2_000 }, (_, n) => `room:${n}`)
const tagOf = (name: string) => /^\{[^}]+\}/.exec(name)?.[0] ?? ''

function namesOf(of: Keys, channel: string): string[] {
  return [
    of.bus(channel),
    ...Object.values(of.history(channel)),
    ...Object.values(of.presence(channel)),
    of.memory(channel, 'key'),
  ]
}

describe('names on a Redis Cluster', () => {
  it('keep all of a channel in one slot, and are never another’s', () => {
    const seen = new Set<string>()
    const odd = ['a:b', 'a', '{x}', '}{', 'é', 'a}:b{']
    for (const channel of [...channels, ...odd]) {
      const names = namesOf(keys, channel)
      expect([channel, new Set(names.map(slotOf)).size]).toEqual([channel, 1])
      for (const name of names) seen.add(name)
    }
    expect(seen.size).toBe(7 * (channels.length + odd.length))
    expect(keys.memory('a:b', 'c')).not.toBe(keys.memory('a', 'b:c'))
  })

  it('spread channels evenly over 64 shards', () => {
    const counts = [...Map.groupBy(channels, channel => tagOf(keys.bus(channel))).values()].map(
      each => each.length,
    )
    expect(counts.length).toBe(64)
    expect(Math.max(...counts)).toBeLessThan(3 * (channels.length / 64))
  })

  it('are the same in every release: nodes of two would not hear each other', () => {
    expect(['room:1', 'chat:Übung', ''].map(channel => keys.bus(channel))).toEqual([
      '{holdfast.35}:c:room:1',
      '{holdfast.63}:c:chat:Übung',
      '{holdfast.5}:c:',
    ])
    expect(keys.control()).toBe('{holdfast.0}:control')
    expect(keys.loopBacks('n').length).toBe(64)
  })
})

describe('names on a single Redis', () => {
  it('are those of earlier releases', () => {
    expect(namesOf(new Keys('p'), 'room:1')).toEqual([
      'p:c:room:1',
      'p:{room:1}:history',
      'p:{room:1}:meta',
      'p:{room:1}:presence:who',
      'p:{room:1}:presence:until',
      'p:{room:1}:presence:users',
      'p:{room:1}:once:key',
    ])
    expect(new Keys('p').control()).toBe('p:control')
  })
})
