import { describe, expect, it } from 'vitest'
import { parseConfig } from './config.ts'
import { applyEnvironment } from './environment.ts'

describe('a configuration', () => {
  it('is complete when nothing is said', () => {
    const config = parseConfig({})
    expect(config.http).toEqual({ host: '0.0.0.0', port: 8000, metrics: true })
    expect(config.namespaces).toEqual({})
    expect(config.auth.insecure).toBe(false)
  })

  it('fills what a namespace leaves out, first from `defaults`, within an option too', () => {
    const { namespaces } = parseConfig({
      defaults: { presence: true },
      namespaces: { room: {}, order: { tier: 'durable', presence: false, retention: { maxEvents: 5 } } },
    })
    expect(namespaces['room']).toMatchObject({ tier: 'realtime', presence: true, history: { size: 0 } })
    expect(namespaces['order']).toMatchObject({
      tier: 'durable',
      presence: false,
      retention: { maxEvents: 5, maxAgeSeconds: 0 },
    })
    expect(namespaces['room']?.allow).toEqual({
      subscribe: [],
      publish: [],
      append: [],
      presence: [],
      history: [],
    })
  })

  it('reports every mistake at once, each with its place', () => {
    const wrong = {
      http: { port: 'eight' },
      redis: { url: 'http://x' },
      namespaces: { room: { tier: 'fast', allow: { subscribe: ['everyone'] } } },
      unknown: 1,
    }
    expect(() => parseConfig(wrong)).toThrow(
      /http\.port[\s\S]*redis\.url[\s\S]*namespaces\.room\.tier[\s\S]*namespaces\.room\.allow\.subscribe[\s\S]*unknown/,
    )
  })

  it('has a personal namespace only where that is declared', () => {
    const auth = { personalNamespace: 'personal' }
    expect(() => parseConfig({ auth })).toThrow(/auth\.personalNamespace: .*declared/)
    expect(() => parseConfig({ auth: { personalNamespace: 'toString' } })).toThrow(/declared/)
    expect(parseConfig({ auth, namespaces: { personal: {} } }).auth).toMatchObject(auth)
  })

  it('cannot be changed afterwards', () => {
    const config = parseConfig({ namespaces: { room: {} } })
    expect(() => Object.assign(config.http, { port: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.namespaces['room']?.allow ?? {}, { publish: ['client'] })).toThrow(
      TypeError,
    )
  })

  it('is overruled by the environment, which leaves the file’s other keys alone', () => {
    const file = { http: { host: '127.0.0.1', port: 1 }, redis: { prefix: 'mine' } }
    const merged = applyEnvironment(file, { HOLDFAST_PORT: '9000', REDIS_URL: 'redis://r', DATABASE_URL: '' })
    expect(parseConfig(merged)).toMatchObject({
      http: { host: '127.0.0.1', port: 9000 },
      redis: { prefix: 'mine', url: 'redis://r' },
    })
    expect(file.http.port).toBe(1)
    expect(() => parseConfig(applyEnvironment({}, { HOLDFAST_PORT: '80a' }))).toThrow(/http\.port/)
  })
})

describe('the namespace of what Holdfast itself records', () => {
  const postgres = { url: 'postgres://localhost/holdfast' }

  it('is there wherever there is a ledger, and nobody may touch it', () => {
    expect(parseConfig({}).namespaces['holdfast']).toBeUndefined()
    expect(parseConfig({ postgres }).namespaces['holdfast']).toMatchObject({
      tier: 'durable',
      allow: { subscribe: [], publish: [], append: [], presence: [], history: [] },
    })
  })

  it('may be opened to readers', () => {
    const own = { tier: 'durable' as const, allow: { subscribe: ['client' as const] } }
    expect(parseConfig({ postgres, namespaces: { holdfast: own } }).namespaces['holdfast']).toMatchObject({
      allow: { subscribe: ['client'] },
    })
  })

  it.each([
    { tier: 'realtime' },
    { tier: 'durable', allow: { append: ['client'] } },
    { tier: 'durable', allow: { publish: ['client'] } },
  ])('cannot be %j', own => {
    expect(() => parseConfig({ postgres, namespaces: { holdfast: own } })).toThrow(
      /only Holdfast writes there/,
    )
  })
})
