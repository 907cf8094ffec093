import { describe, expect, it } from 'vitest'
import { parseConfig, parseRedis } from './config.ts'
import { applyEnvironment } from './environment.ts'
import { addressOf, isCluster, natMapOf, redisTarget } from './redis-target.ts'

describe('a configuration', () => {
  it('is complete when nothing is said', () => {
    const config = parseConfig({})
    expect(config.http).toEqual({ host: '0.0.0.0', port: 8000, metrics: true, trustedProxies: [] })
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

  it('takes OpenTelemetry’s sampler as the share of both tiers', () => {
    const sampling = (env: Record<string, string>) =>
      parseConfig(applyEnvironment({ telemetry: { sampling: { realtime: 0.5 } } }, env)).telemetry.sampling
    expect(sampling({})).toEqual({ realtime: 0.5, durable: 0.1 })
    expect(
      sampling({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }),
    ).toEqual({
      realtime: 0.25,
      durable: 0.25,
    })
    expect(sampling({ OTEL_TRACES_SAMPLER: 'always_on' })).toEqual({ realtime: 1, durable: 1 })
    expect(sampling({ OTEL_TRACES_SAMPLER: 'always_off' })).toEqual({ realtime: 0, durable: 0 })
    expect(() => sampling({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'all' })).toThrow(
      /telemetry\.sampling/,
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

  it('takes an operator of the console from the environment, beside those of the file', () => {
    const tokens = [
      { name: 'ann', token: 'a-token-of-the-file' },
      { name: 'operator', token: 'another-of-the-file' },
    ]
    const env = {
      HOLDFAST_CONSOLE_TOKEN: 'a-token-of-the-environment',
      HOLDFAST_CONSOLE_URL: 'https://node-a.example/console/',
    }
    const parsed = parseConfig(applyEnvironment({ console: { tokens, url: 'https://all.example' } }, env))
    expect(parsed.console.url).toBe('https://node-a.example/console/')
    expect(() => parseConfig({ console: { url: 'javascript:alert(1)' } })).toThrow(/console\.url/)
    for (const wrong of [
      'https://a.example/?to=b',
      'https://a.example/#/now',
      'https://ann:secret@a.example',
    ])
      expect(() => parseConfig({ console: { url: wrong } })).toThrow(/console\.url: .*without a query/)
    expect(parseConfig(applyEnvironment({ console: { tokens } }, env)).console.tokens).toEqual([
      { name: 'ann', role: 'viewer', token: 'a-token-of-the-file' },
      { name: 'operator', role: 'operator', token: 'a-token-of-the-environment' },
    ])
    for (const wrong of [
      { name: 'x', token: 'short' },
      { name: 'x' },
      { name: 'a b', token: 'x'.repeat(16) },
    ])
      expect(() => parseConfig({ console: { tokens: [wrong] } })).toThrow(/console\.tokens/)
    expect(() => parseConfig({ console: { tokens: [tokens[0], tokens[0]] } })).toThrow(/twice/)
  })
})

describe('where Redis is', () => {
  const sentinel = { master: 'm', nodes: ['a:26379', 'b', '[::1]:5'] }
  const cluster = { nodes: ['a:6379'] }
  const targets = (redis: unknown) => {
    const parsed = parseRedis(redis)
    return (['bus', 'log', 'jobs'] as const).map(role => redisTarget(parsed, role))
  }

  it('is said once for all roles, or for each by itself, in whichever way', () => {
    expect(targets(undefined)).toEqual([undefined, undefined, undefined])
    expect(targets({ url: 'redis://r' })).toEqual(['redis://r', 'redis://r', 'redis://r'])
    const mixed = targets({ sentinel, bus: { cluster }, jobs: { url: 'rediss://j' } })
    expect(mixed).toMatchObject([{ cluster }, { sentinel: { ...sentinel, db: 0 } }, 'rediss://j'])
    expect(mixed.map(isCluster)).toEqual([true, false, false])
    expect(targets({ log: { sentinel } })).toMatchObject([undefined, { sentinel }, undefined])
  })

  it.each([
    [
      { url: 'redis://r', cluster },
      /redis: expected one of .* got url and cluster; REDIS_URL sets redis\.url/,
    ],
    [{ sentinel, cluster }, /redis: .*got sentinel and cluster/],
    [{ bus: { url: 'redis://r', sentinel } }, /redis\.bus: .*got url and sentinel/],
    [{ bus: {} }, /redis\.bus: expected one of url, sentinel and cluster, got none/],
    [{ cluster: { nodes: [] } }, /redis\.cluster\.nodes/],
    [{ cluster: { nodes: ['redis://a:1'] } }, /redis\.cluster\.nodes\.0: expected host:port/],
    [{ cluster: { nodes: ['a'], db: 1 } }, /db/],
    [{ sentinel: { nodes: ['a'] } }, /redis\.sentinel\.master/],
    [{ cluster: { nodes: ['a'], tls: { ca: 1 } } }, /redis\.cluster\.tls/],
  ])('cannot be %j', (redis, message) => {
    expect(() => parseConfig({ redis })).toThrow(message)
  })

  it('is a contradiction where the environment names another one than the file', () => {
    const merged = applyEnvironment({ redis: { cluster } }, { REDIS_URL: 'redis://r' })
    expect(() => parseConfig(merged)).toThrow(/unset it where the file names sentinels or a cluster/)
    expect(() => parseConfig(applyEnvironment({ redis: { cluster } }, { REDIS_URL: '' }))).not.toThrow()
  })

  it('is read from addresses with and without a port, also of IPv6', () => {
    expect(['a', 'a:1', '[::1]', '[::1]:5'].map(text => addressOf(text, 9))).toEqual([
      { host: 'a', port: 9 },
      { host: 'a', port: 1 },
      { host: '::1', port: 9 },
      { host: '::1', port: 5 },
    ])
    expect(natMapOf({ '10.0.0.1:6379': 'proxy:7001', '10.0.0.2': '[::1]' }, 6379)).toEqual({
      '10.0.0.1:6379': { host: 'proxy', port: 7001 },
      '10.0.0.2:6379': { host: '::1', port: 6379 },
    })
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
