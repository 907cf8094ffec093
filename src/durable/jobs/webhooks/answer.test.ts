import { describe, expect, it } from 'vitest'
import { retryAfterIn, verdictOn } from './answer.ts'

const now = Date.UTC(2026, 0, 1)
const answered = (status: number, text = '', retryAfter?: string) =>
  verdictOn({ kind: 'answered', status, text, retryAfter }, now)

describe('the verdict on an answer', () => {
  it.each([200, 201, 202, 204, 299])('is a success with status %i, whatever the body says', status => {
    expect(answered(status, 'error')).toEqual({ kind: 'delivered' })
  })

  it.each([300, 301, 304, 308, 400, 401, 404, 408, 409, 425, 429, 451, 500, 503, 599])(
    'is a failure that is tried again with status %i',
    status => {
      expect(answered(status)).toEqual({ kind: 'failed', reason: `status ${status}` })
    },
  )

  it('is the end of the endpoint with 410', () => {
    expect(answered(410, 'moved out')).toEqual({ kind: 'gone', reason: 'status 410: moved out' })
  })

  it('is none where the process had to stop', () => {
    expect(verdictOn({ kind: 'interrupted' }, now)).toEqual({ kind: 'interrupted' })
  })

  it.each([
    ['120', 120_000],
    [' 7 ', 7_000],
    ['999999999', 3_600_000],
    [new Date(now + 90_000).toUTCString(), 90_000],
    [new Date(now + 86_400_000).toUTCString(), 3_600_000],
    ['0', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [new Date(now - 1_000).toUTCString(), undefined],
    [undefined, undefined],
  ])('takes Retry-After: %s for %s ms', (header, ms) => {
    expect(retryAfterIn(header, now)).toBe(ms)
    const verdict = answered(503, '', header)
    expect('retryAfterMs' in verdict ? verdict.retryAfterMs : undefined).toBe(ms)
  })

  it('quotes what the receiver said on one line, short, without what could forge lines or act in a terminal', () => {
    const evil = `<h1>no\r\n\u0000\u001b[2J\u202e\ud800   way</h1>\n${'x'.repeat(10_000)}`
    const { reason } = answered(500, evil) as { reason: string }
    expect(reason).toMatch(/^status 500: <h1>no \[2J way<\/h1> x+…$/)
    expect(reason.length).toBeLessThan(230)
    expect(reason.isWellFormed()).toBe(true)
    expect((answered(500, '😀'.repeat(500)) as { reason: string }).reason.isWellFormed()).toBe(true)
  })

  it('hides secrets that the receiver repeats, also one that holds another, and leaves short words alone', () => {
    const text = 'Cannot POST /hooks/T0K3NT0K3N?key=swordfish with Bearer swordfish, GET ok'
    const secrets = ['swordfish', 'Bearer swordfish', '/hooks/T0K3NT0K3N', 'GET']
    const verdict = verdictOn({ kind: 'answered', status: 404, text }, now, secrets)
    const reason = 'status 404: Cannot POST [hidden]?key=[hidden] with [hidden], GET ok'
    expect(verdict).toEqual({ kind: 'failed', reason })
    const failed = verdictOn({ kind: 'unanswered', reason: 'bad header swordfish' }, now, secrets)
    expect(failed).toEqual({ kind: 'failed', reason: 'bad header [hidden]' })
  })
})
