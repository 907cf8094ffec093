import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { until } from '../../../test/support/until.ts'
import { Packet } from '../../hub/index.ts'
import { Pages } from './pages.ts'
import { lastOf, linesOf } from './run.ts'
import { type Page, packetAfter, SharedPages } from './shared-pages.ts'

const channel = 'order:1'

function pageOf(since: number, lines: readonly string[]): Page {
  const packet = Packet.of(lines)
  return { packet, run: { first: since + 1, count: lines.length, text: packet.payload } }
}

/** A ledger with `count` events, that counts the rows it hands out, and the pages of several sessions over it. */
function given(count: number, bounds = { maxBytes: 1_048_576, lifeMs: 60_000 }) {
  const ledger = new MemoryLedger()
  for (let n = 1; n <= count; n++) ledger.store(channel, `${n}`)
  const rows: number[] = []
  const readChannel = ledger.readChannel.bind(ledger)
  ledger.readChannel = async (name, request) => {
    const page = await readChannel(name, request)
    for (const { offset } of page.events) rows.push(offset)
    return page
  }
  const shared = new SharedPages(bounds)
  return { ledger, rows, shared, pages: new Pages(ledger, undefined, shared) }
}

/** What a session gets that reads from `since` to the head by pages of `limit`. */
async function readOn(pages: Pages, since: number, head: number, limit: number): Promise<number[]> {
  const seen: number[] = []
  for (let at = since; at < head; ) {
    const read = await pages.read(channel, at, limit)
    if (read.kind !== 'page') throw new Error(read.kind)
    const lines = packetAfter(read.page, at).payload.toString().split('\n')
    for (const line of lines)
      seen.push((JSON.parse(line) as { push: { pub: { data: number } } }).push.pub.data)
    at = lastOf(read.page.run)
  }
  return seen
}

describe('pages of a channel’s past', () => {
  it('reach every session whole and in order, and each event is read once, wherever sessions begin', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 120 }),
        fc.array(fc.record({ since: fc.nat(120), limit: fc.integer({ min: 1, max: 40 }), wait: fc.nat(6) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
        async (head, sessions, turns) => {
          const { ledger, pages, rows } = given(head)
          let n = 0
          ledger.turns = () => turns[n++ % turns.length] ?? 1
          await Promise.all(
            sessions.map(async ({ since, limit, wait }) => {
              for (let i = 0; i < wait; i++) await new Promise(resolve => setImmediate(resolve))
              const expected = Array.from({ length: Math.max(0, head - since) }, (_, i) => since + 1 + i)
              expect(await readOn(pages, since, head, limit)).toEqual(expected)
            }),
          )
          expect(new Set(rows).size).toBe(rows.length)
        },
      ),
    )
  })

  it('that end at the head are not mistaken for the end when more has come', async () => {
    const { ledger, pages } = given(5)
    expect(await readOn(pages, 0, 5, 100)).toEqual([1, 2, 3, 4, 5])
    expect(await pages.read(channel, 5, 100)).toEqual({ kind: 'end', head: 5 })
    ledger.store(channel, '6')
    expect(await readOn(pages, 3, 6, 100)).toEqual([4, 5, 6])
    // The answer of a read that began before the event is not taken for one that knows of it.
    ledger.turns = () => 5
    const early = pages.read(channel, 6, 100)
    for (let i = 0; i < 2; i++) await new Promise(resolve => setImmediate(resolve))
    ledger.store(channel, '7')
    expect(await readOn(pages, 6, 7, 100)).toEqual([7])
    expect(await early).toEqual({ kind: 'end', head: 6 })
  })

  it('tell what retention has removed only to those who asked for it', async () => {
    const { ledger, pages } = given(9)
    ledger.floors.set(channel, 4)
    const [low, high] = await Promise.all([pages.read(channel, 2, 6), readOn(pages, 5, 9, 6)])
    expect(low).toEqual({ kind: 'removed', floor: 4 })
    expect(high).toEqual([6, 7, 8, 9])
  })

  it('that cannot be read fail for all who wait, and are tried again by the next', async () => {
    const { ledger, pages } = given(3)
    ledger.failing = true
    const both = await Promise.allSettled([pages.read(channel, 0, 9), pages.read(channel, 1, 9)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    ledger.failing = false
    expect(await readOn(pages, 0, 3, 9)).toEqual([1, 2, 3])
  })

  it('are read anew once they are forgotten, also those under way at that moment', async () => {
    const { ledger, pages, rows } = given(3)
    await readOn(pages, 0, 3, 9)
    ledger.turns = () => 4
    pages.forget(channel)
    const under = pages.read(channel, 0, 9)
    for (let i = 0; i < 2; i++) await new Promise(resolve => setImmediate(resolve))
    pages.forget(channel)
    ledger.events[1] = { ...(ledger.events[1] as (typeof ledger.events)[0]), data: '22' }
    expect(await readOn(pages, 0, 3, 9)).toEqual([1, 22, 3])
    await under
    expect(await readOn(pages, 0, 3, 9)).toEqual([1, 22, 3])
    expect(rows).toHaveLength(9)
  })

  it('stay below their bound in bytes, and go after their time although nobody asks', async () => {
    const maxBytes = 5_000
    const { pages, shared, rows } = given(400, { maxBytes, lifeMs: 60_000 })
    for (let since = 0; since < 400; since += 20) {
      await pages.read(channel, since, 20)
      expect(shared.bytes).toBeLessThanOrEqual(maxBytes)
    }
    await pages.read(channel, 380, 20)
    expect(rows).toHaveLength(400)
    await pages.read(channel, 0, 20)
    expect(rows).toHaveLength(420)
    const short = given(40, { maxBytes, lifeMs: 1 })
    await short.pages.read(channel, 0, 20)
    await until('the page is gone', () => short.shared.bytes === 0)
    expect(await readOn(short.pages, 0, 40, 20)).toHaveLength(40)
  })

  it('of several channels do not mix', () => {
    const shared = new SharedPages()
    const reading = Promise.resolve({ kind: 'page' as const, page: pageOf(0, ['a', 'b']) })
    shared.begin('a', 0, 2, reading)
    expect(shared.covering('a', 1)?.since).toBe(0)
    expect(shared.covering('a', 2)).toBeUndefined()
    expect(shared.covering('b', 0)).toBeUndefined()
    expect(shared.room('b', 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('can be cut from either side', () => {
    const { run } = pageOf(4, ['five', 'six', 'seven'])
    expect(linesOf(run)).toEqual(['five', 'six', 'seven'])
    expect(linesOf(run, 2)).toEqual(['five', 'six'])
    expect(linesOf(run, 9)).toEqual(['five', 'six', 'seven'])
    expect(linesOf({ ...run, text: 'five\nsix\nseven' }, 1)).toEqual(['five'])
    expect(packetAfter(pageOf(4, ['five', 'six', 'seven']), 5).payload.toString()).toBe('six\nseven')
  })
})
