import { describe, expect, it } from 'vitest'
import { configDigest } from './config-digest.ts'

describe('a configuration’s digest', () => {
  const config = {
    role: 'all',
    http: { port: 1 },
    console: { url: 'https://a.example' },
    redis: { url: 'redis://u:p@h' },
    api: { key: 'k' },
    n: { a: 1, b: 2 },
  }

  it('is the same for nodes that are configured alike, whatever their ports and secrets', () => {
    const other = {
      n: { b: 2, a: 1 },
      api: { key: 'x' },
      redis: { url: 'redis://h' },
      http: { port: 2 },
      console: { url: 'https://b.example' },
      role: 'worker',
    }
    expect(configDigest(other)).toBe(configDigest(config))
    expect(configDigest(config)).toMatch(/^[0-9a-f]{12}$/)
  })

  it('is another one where anything else differs', () => {
    expect(configDigest({ ...config, n: { a: 1, b: 3 } })).not.toBe(configDigest(config))
    expect(configDigest({ ...config, redis: { url: 'redis://other' } })).not.toBe(configDigest(config))
  })
})
