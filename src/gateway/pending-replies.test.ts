import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PendingReplies } from './pending-replies.ts'

describe('pending replies', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function given() {
    const sent: string[] = []
    const replies = new PendingReplies({
      send: line => sent.push(line),
      overtakeMs: 100,
      deadlineMs: 1_000,
      onSettled: () => undefined,
    })
    return { sent, replies }
  }

  it('are sent in the order of their commands', () => {
    const { sent, replies } = given()
    const [a, b, c] = [replies.open(1), replies.open(2), replies.open(3)]
    c.finish('c')
    b.finish('b')
    expect(sent).toEqual([])
    a.finish('a')
    expect(sent).toEqual(['a', 'b', 'c'])
    expect(replies.size).toBe(0)
  })

  it('count what waits for its turn, until it has been sent', () => {
    const { sent, replies } = given()
    const [slow, fast, faster] = [replies.open(1), replies.open(2), replies.open(3)]
    fast.finish('12345')
    faster.finish('678')
    expect(replies.heldCharacters).toBe(8)
    faster.overtake()
    expect(replies.heldCharacters).toBe(5)
    vi.advanceTimersByTime(200)
    expect([replies.heldCharacters, sent]).toEqual([0, ['678', '12345']])
    slow.finish('9')
    expect(replies.heldCharacters).toBe(0)
  })

  it('say when they have been sent', () => {
    const { sent, replies } = given()
    const [a, b] = [replies.open(1), replies.open(2)]
    b.finish('b', () => sent.push('after b'))
    a.finish('a', () => sent.push('after a'))
    expect(sent).toEqual(['a', 'after a', 'b', 'after b'])
  })

  it('are sent once', () => {
    const { sent, replies } = given()
    const a = replies.open(1)
    a.finish('a')
    a.finish('again')
    expect(sent).toEqual(['a'])
  })

  it('do not wait long for a slow command, which is answered when it is done', () => {
    const { sent, replies } = given()
    const [slow, fast] = [replies.open(1), replies.open(2)]
    fast.finish('fast')
    vi.advanceTimersByTime(99)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(101)
    expect(sent).toEqual(['fast'])
    slow.finish('slow')
    expect(sent).toEqual(['fast', 'slow'])
  })

  it('are a temporary error after the deadline, and what comes later is dropped', async () => {
    const { sent, replies } = given()
    const hung = replies.open(7)
    const waiting = hung.within(new Promise(() => undefined))
    vi.advanceTimersByTime(1_200)
    expect(sent).toEqual(['{"id":7,"error":{"code":100,"message":"internal server error","temporary":true}}'])
    expect(hung.abandoned).toBe(true)
    hung.finish('late')
    expect(sent).toHaveLength(1)
    expect(replies.size).toBe(0)
    await expect(waiting).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
    await expect(hung.within(Promise.reject(new Error('x')))).rejects.toMatchObject({
      code: 'DEPENDENCY_TIMEOUT',
    })
  })

  it('overtake earlier ones where they have to', () => {
    const { sent, replies } = given()
    const [a, b] = [replies.open(1), replies.open(2)]
    b.finish('b')
    b.overtake()
    expect(sent).toEqual(['b'])
    a.finish('a')
    expect(sent).toEqual(['b', 'a'])
  })

  it('abandon everything when they are closed', async () => {
    const { sent, replies } = given()
    const a = replies.open(1)
    const waiting = a.within(new Promise(() => undefined))
    replies.close()
    a.finish('a')
    expect(sent).toEqual([])
    await expect(waiting).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
    expect(vi.getTimerCount()).toBe(0)
  })
})
