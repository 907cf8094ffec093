import { describe, expect, it } from 'vitest'
import { TestClock } from '../../test/support/test-clock.ts'
import { type AppendCommand, type Appended, Appender } from './appender.ts'
import { codes, HoldfastClientError } from './errors.ts'

interface Attempt {
  readonly command: AppendCommand
  acknowledge(_?: number): void
  fail(code: number, temporary?: boolean): void
}

function bench(options: { window?: number; maxPending?: number; maxInFlight?: number } = {}) {
  const clock = new TestClock()
  const attempts: Attempt[] = []
  const link = { connected: true, silences: 0 }
  let offset = 0
  const appender = new Appender({
    clock,
    connected: () => link.connected,
    onSilence: () => link.silences++,
    window: options.window ?? 1,
    maxPending: options.maxPending ?? 100,
    maxInFlight: options.maxInFlight ?? 100,
    send: command =>
      new Promise<Appended>((resolve, reject) => {
        attempts.push({
          command,
          acknowledge: () =>
            resolve({ offset: ++offset, epoch: 'e', id: command.id, time: 1, duplicate: false }),
          fail: (code, temporary = false) => reject({ code, message: `code ${code}`, temporary }),
        })
      }),
  })
  const append = (id: string, channel = 'c', signal?: AbortSignal) =>
    appender.append({ channel, type: 'T', data: {}, id }, signal)
  /** Lets what was settled be noticed. */
  const settled = async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
  const sent = () => attempts.map(attempt => attempt.command.id)
  return { appender, append, attempts, clock, link, sent, settled }
}

describe('an append', () => {
  it('is repeated with its id until it is acknowledged, and nothing of its channel overtakes it', async () => {
    const { append, attempts, clock, sent, settled } = bench()
    const [first, second] = [append('1'), append('2')]
    attempts[0]?.fail(100, true)
    await settled()
    expect(sent()).toEqual(['1'])
    clock.advance(100)
    attempts[1]?.fail(111, true)
    await settled()
    clock.advance(199)
    expect(sent()).toEqual(['1', '1'])
    clock.advance(1)
    attempts[2]?.acknowledge()
    expect((await first).offset).toBe(1)
    await settled()
    attempts[3]?.acknowledge()
    expect((await second).offset).toBe(2)
    expect(sent()).toEqual(['1', '1', '1', '2'])
    expect(clock.waiting).toBe(0)
  })

  it('goes out as soon as another one of its channel that had failed too is acknowledged', async () => {
    const { append, attempts, clock, sent, settled } = bench({ window: 2 })
    for (const id of ['1', '2']) void append(id)
    for (let i = 0; i < 5; i++) {
      for (const attempt of attempts.slice(-2)) attempt.fail(100, true)
      await settled()
      clock.advance(5_000)
    }
    attempts.at(-2)?.fail(100, true)
    await settled()
    clock.advance(1_000)
    attempts.at(-1)?.fail(100, true)
    await settled()
    const before = attempts.length
    clock.advance(2_200)
    expect(sent().slice(before)).toEqual(['1'])
    attempts.at(-1)?.acknowledge()
    await settled()
    expect(sent().slice(before)).toEqual(['1', '2'])
  })

  it('waits for a connection, before the first attempt and after a lost one', async () => {
    const { appender, append, attempts, link, sent, settled } = bench()
    link.connected = false
    const done = append('1')
    expect(sent()).toEqual([])
    link.connected = true
    appender.connected()
    expect(sent()).toEqual(['1'])
    link.connected = false
    attempts[0]?.fail(11)
    await settled()
    expect(sent()).toEqual(['1'])
    link.connected = true
    appender.connected()
    attempts[1]?.acknowledge()
    expect((await done).id).toBe('1')
  })

  it('that had no reply in time is repeated at once, and the connection is suspected', async () => {
    const { append, attempts, link, sent, settled, clock } = bench()
    void append('1')
    attempts[0]?.fail(codes.timeout)
    await settled()
    clock.advance(0)
    expect(sent()).toEqual(['1', '1'])
    expect(link.silences).toBe(1)
  })

  it('is refused where repeating cannot help, and those behind it go on', async () => {
    const { append, attempts, settled, sent } = bench()
    const [refused, next] = [append('1'), append('2')]
    attempts[0]?.fail(103)
    await expect(refused).rejects.toMatchObject({ code: 103, temporary: false })
    await settled()
    attempts[1]?.acknowledge()
    expect((await next).id).toBe('2')
    expect(sent()).toEqual(['1', '2'])
  })

  it('tells the head where it was not the expected one', async () => {
    const { appender } = bench()
    const failing = new Appender({
      ...{
        clock: new TestClock(),
        connected: () => true,
        onSilence() {},
        window: 1,
        maxPending: 1,
        maxInFlight: 1,
      },
      send: () => Promise.reject({ code: 409, message: 'offset conflict: the head is 12' }),
    })
    const command = { channel: 'c', type: 'T', data: 1, id: 'x', expectedOffset: 3 }
    await expect(failing.append(command)).rejects.toMatchObject({ code: codes.offsetConflict, head: 12 })
    expect(appender.pending).toBe(0)
  })

  it('is not held up by another channel', async () => {
    const { append, attempts, sent, settled } = bench()
    void append('1', 'a')
    attempts[0]?.fail(100, true)
    await settled()
    void append('2', 'b')
    expect(sent()).toEqual(['1', '2'])
  })

  it('of a full queue is not accepted', async () => {
    const { append, attempts, appender } = bench({ maxPending: 2 })
    const first = append('1')
    void append('2')
    await expect(append('3')).rejects.toMatchObject({ code: codes.overloaded })
    attempts[0]?.acknowledge()
    await first
    expect(appender.pending).toBe(1)
    void append('4')
    expect(appender.pending).toBe(2)
  })

  it('of many channels waits for room on the connection', async () => {
    const { append, attempts, sent, settled } = bench({ maxInFlight: 2 })
    for (const id of ['1', '2', '3', '4']) void append(id, `c${id}`)
    expect(sent()).toEqual(['1', '2'])
    attempts[1]?.acknowledge()
    await settled()
    expect(sent()).toEqual(['1', '2', '3'])
    attempts[0]?.acknowledge()
    attempts[2]?.acknowledge()
    await settled()
    expect(sent()).toEqual(['1', '2', '3', '4'])
  })

  it('with a larger window is under way with others, which wait once it has to be repeated', async () => {
    const { append, attempts, clock, sent, settled } = bench({ window: 2 })
    for (const id of ['1', '2', '3']) void append(id)
    expect(sent()).toEqual(['1', '2'])
    attempts[0]?.fail(100, true)
    attempts[1]?.acknowledge()
    await settled()
    expect(sent()).toEqual(['1', '2'])
    clock.advance(100)
    expect(sent()).toEqual(['1', '2', '1', '3'])
  })

  it('given up while it waits leaves no trace', async () => {
    const { appender, append, attempts, sent, settled } = bench()
    const first = append('1')
    const abort = new AbortController()
    const second = append('2', 'c', abort.signal)
    abort.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    attempts[0]?.acknowledge()
    await first
    await settled()
    expect(sent()).toEqual(['1'])
    expect(appender.pending).toBe(0)
    await expect(append('3', 'c', AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  })

  it('given up under way keeps its place until that attempt has ended, and is not repeated', async () => {
    const { append, attempts, sent, settled } = bench()
    const abort = new AbortController()
    const first = append('1', 'c', abort.signal)
    const second = append('2')
    abort.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    expect(sent()).toEqual(['1'])
    attempts[0]?.fail(100, true)
    await settled()
    expect(sent()).toEqual(['1', '2'])
    attempts[1]?.acknowledge()
    expect((await second).id).toBe('2')
  })

  it('is rejected when the connection ends for good, and a late reply changes nothing', async () => {
    const { appender, append, attempts, sent, settled } = bench()
    const both = [append('1'), append('2')]
    appender.rejectAll(new HoldfastClientError(codes.disconnected, 'the end'))
    for (const each of both) await expect(each).rejects.toMatchObject({ code: codes.disconnected })
    expect(appender.pending).toBe(0)
    attempts[0]?.fail(11)
    await settled()
    void append('3')
    expect(sent()).toEqual(['1', '3'])
  })

  it('rejected under way frees its room on the connection once, whatever comes late', async () => {
    for (const late of ['acknowledge', 'fail'] as const) {
      const { appender, append, attempts, sent, settled } = bench({ maxInFlight: 1 })
      const first = append('1')
      appender.rejectAll(new HoldfastClientError(codes.disconnected, 'the end'))
      await expect(first).rejects.toMatchObject({ code: codes.disconnected })
      void append('2', 'a')
      attempts[0]?.[late](11)
      await settled()
      void append('3', 'b')
      expect(sent()).toEqual(['1', '2'])
    }
  })
})
