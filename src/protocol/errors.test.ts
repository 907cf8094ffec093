import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type ErrorCode, HoldfastError } from '../domain/index.ts'
import { disconnects, fitReason, withDetail } from './disconnects.ts'
import { disconnectFor, wireError, wireErrors } from './errors.ts'
import { unsubscribes } from './unsubscribes.ts'

const codeOf = (code: ErrorCode) => wireError(new HoldfastError(code, 'why')).code

describe('wireError', () => {
  it.each<[ErrorCode, number]>([
    ['CHANNEL_UNKNOWN', 102],
    ['NOT_PERMITTED', 103],
    ['NOT_SUBSCRIBED', 103],
    ['METHOD_UNKNOWN', 104],
    ['ALREADY_SUBSCRIBED', 105],
    ['LIMIT_EXCEEDED', 106],
    ['REQUEST_INVALID', 107],
    ['CHANNEL_INVALID', 107],
    ['PAYLOAD_INVALID', 107],
    ['NOT_AVAILABLE', 108],
    ['TOKEN_EXPIRED', 109],
    ['EXPIRED', 110],
    ['RATE_LIMITED', 111],
    ['POSITION_LOST', 112],
    ['OFFSET_CONFLICT', 409],
    ['DUPLICATE_CONFLICT', 422],
    ['PROJECTION_PARKED', 424],
    ['PROJECTION_BEHIND', 425],
  ])('turns %s into %i, which is final unless it passes by itself', (code, wire) => {
    expect(codeOf(code)).toBe(wire)
    const passing = code === 'RATE_LIMITED' || code === 'PROJECTION_BEHIND'
    expect(wireError(new HoldfastError(code, 'why')).temporary).toBe(passing)
  })

  it.each<ErrorCode>([
    'DEPENDENCY_REJECTED',
    'DEPENDENCY_TIMEOUT',
    'DEPENDENCY_FAILED',
    'OVERLOADED',
    'LEDGER_BEHIND',
    'SHUTTING_DOWN',
    'INTERNAL',
  ])('tells of %s only that it is worth another try', code => {
    const secret = 'password authentication failed for user "holdfast"'
    expect(wireError(new HoldfastError(code, secret))).toEqual({
      code: 100,
      message: 'internal server error',
      temporary: true,
    })
  })

  it('says what is wrong with a request, and where the head is', () => {
    expect(wireError(new HoldfastError('REQUEST_INVALID', 'type is missing')).message).toBe(
      'bad request: type is missing',
    )
    expect(wireError(new HoldfastError('OFFSET_CONFLICT', 'x', { details: { head: 7 } })).message).toBe(
      'offset conflict: the head is 7',
    )
  })

  it('adds what was written for the client, and else nothing, to a refusal', () => {
    const refused = (details: Record<string, unknown>) =>
      wireError(new HoldfastError('NOT_PERMITTED', 'ann has no row in payroll', { details })).message
    expect(refused({ told: 'anonymous' })).toBe('permission denied: anonymous')
    expect(refused({})).toBe('permission denied')
    expect(refused({ told: 'x'.repeat(500) }).length).toBeLessThan(250)
  })

  it('turns what must not be answered into a disconnect', () => {
    expect(disconnectFor(new HoldfastError('FRAME_INVALID', 'broken JSON'))).toEqual({
      code: 3501,
      reason: 'bad request: broken JSON',
    })
    expect(disconnectFor(new HoldfastError('TOKEN_INVALID', 'x'))).toEqual(disconnects.invalidToken)
    expect(disconnectFor(new HoldfastError('NOT_PERMITTED', 'x'))).toBeUndefined()
  })
})

describe('reasons', () => {
  it('fit into a close frame without cutting a character', () => {
    expect(fitReason('é'.repeat(100))).toBe('é'.repeat(61))
    expect(Buffer.byteLength(withDetail(disconnects.badRequest, '🦀'.repeat(80)).reason)).toBeLessThanOrEqual(
      123,
    )
    expect(fitReason('shutdown')).toBe('shutdown')
  })
})

describe('docs/ERRORS.md', () => {
  const page = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8')
  const rows = (heading: string): string[] => {
    const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
    // Each has its place, to which an error of the client leads.
    const row = /^\| <a id="(\d+)"><\/a>\1 \| ([^|]+?) \|/gm
    return [...section.matchAll(row)].map(([, code, message]) => `${code} ${message}`).sort()
  }
  const listed = (table: Record<string, { code: number; reason?: string; message?: string }>) =>
    Object.values(table)
      .map(entry => `${entry.code} ${entry.reason ?? entry.message}`)
      .sort()

  it('lists exactly the error codes of the code', () => {
    expect(rows('Errors in replies')).toEqual(listed(wireErrors))
  })

  it('lists exactly the disconnect codes of the code', () => {
    expect(rows('Disconnects')).toEqual(listed(disconnects))
  })

  it('lists exactly the unsubscribe codes of the code', () => {
    expect(rows('Unsubscribes')).toEqual(listed(unsubscribes))
  })
})
