import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { chooseProtocol, isOriginAllowed, openingOf, wantsProtobuf } from './handshake.ts'
import { isKnownHost } from './known-host.ts'

const request = (headers: Record<string, string | string[]>, url = '/') =>
  ({ headers, url }) as IncomingMessage

describe('the handshake', () => {
  it.each<[string, Record<string, string>, string[], boolean]>([
    ['no origin', { host: 'a.example' }, [], true],
    ['its own page', { host: 'a.example', origin: 'https://A.example' }, [], true],
    ['its own page on a port', { host: 'a.example:8000', origin: 'http://a.example:8000' }, [], true],
    ['another port', { host: 'a.example:8000', origin: 'http://a.example:9000' }, [], false],
    ['a foreign page', { host: 'a.example', origin: 'https://b.example' }, [], false],
    ['an allowed page', { host: 'a.example', origin: 'https://b.example' }, ['https://B.example'], true],
    [
      'a page that looks alike',
      { host: 'a.example', origin: 'https://b.example.c' },
      ['https://b.example'],
      false,
    ],
    ['any page', { host: 'a.example', origin: 'null' }, ['*'], true],
    ['a sandboxed page', { host: 'null', origin: 'null' }, [], false],
  ])('decides about %s', (_, headers, allowed, expected) => {
    expect(isOriginAllowed(request(headers), { allowedOrigins: allowed, insecure: false })).toBe(expected)
  })

  it.each<[string, string[], boolean]>([
    ['localhost:8000', [], true],
    ['app.localhost:8000', [], true],
    ['127.0.0.1:8000', [], true],
    ['10.0.0.7', [], true],
    ['[::1]:8000', [], true],
    ['rebinding.example:8000', [], false],
    ['localhost.rebinding.example', [], false],
    ['127.0.0.1.rebinding.example', [], false],
    ['dev.example:8000', ['https://Dev.example'], true],
    ['rebinding.example', ['*'], true],
  ])('takes %s for its own name on an open node or not', (host, allowedOrigins, expected) => {
    const own = request({ host, origin: `http://${host}` })
    expect(isKnownHost(host, allowedOrigins)).toBe(expected)
    expect(isOriginAllowed(own, { allowedOrigins, insecure: true })).toBe(expected)
    expect(isOriginAllowed(own, { allowedOrigins, insecure: false })).toBe(true)
  })

  it('answers the offered protocol that it knows, so that a browser does not fail', () => {
    expect(chooseProtocol(new Set(['centrifuge-protobuf', 'centrifuge-json']))).toBe('centrifuge-json')
    expect(chooseProtocol(new Set(['centrifuge-protobuf']))).toBe('centrifuge-protobuf')
    expect(chooseProtocol(new Set(['mqtt']))).toBe(false)
  })

  it('notices the wish for bytes', () => {
    expect(wantsProtobuf(request({}, '/c?format=protobuf'), '')).toBe(true)
    expect(wantsProtobuf(request({}, '/c?cf_protocol=protobuf'), '')).toBe(true)
    expect(wantsProtobuf(request({}), 'centrifuge-protobuf')).toBe(true)
    expect(wantsProtobuf(request({}, '/c?format=json'), '')).toBe(false)
  })

  it('reads headers and cookies, whatever is in them', () => {
    const { headers, cookies } = openingOf(
      request({ 'x-a': ['1', '2'], cookie: 'a=1; b="x%20y"; bad=%zz; =no; c ; a=2; __proto__=p' }),
    )
    expect(headers['x-a']).toBe('1, 2')
    expect({ ...cookies }).toEqual({ a: '1', b: 'x y', bad: '%zz', ['__proto__']: 'p' })
  })
})
