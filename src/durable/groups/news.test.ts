import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { ForeignMessages } from '../../platform/index.ts'
import type { LogAccess } from '../log-access.ts'
import { partitionKeys } from '../mirror/keys.ts'
import { News } from './news.ts'

const logger = pino({ level: 'silent' })
let ledger: MemoryLedger
let foreign: ForeignMessages
let news: News
let say: (text: string) => void

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  ledger = new MemoryLedger()
  foreign = new ForeignMessages(logger)
  const handlers = new Map<string, (payload: Buffer) => void>()
  const bus = {
    ready: true,
    onReconnect: () => () => undefined,
    subscribe: async (name: string, handler: (payload: Buffer) => void) => void handlers.set(name, handler),
    unsubscribe: (name: string) => handlers.delete(name),
  }
  say = text => handlers.get(partitionKeys(ledger.epoch, 0).news)?.(Buffer.from(text))
  news = new News({
    ledger,
    redis: { bus, mirrors: { reachable: true } },
    foreign,
    logger,
  } as unknown as LogAccess)
  news.watch(0)
})
afterEach(() => {
  news.close()
  vi.useRealTimers()
})

/** The ledger in memory answers in turns of the event loop. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    vi.advanceTimersByTime(10)
    for (let n = 0; n < 3; n++) await new Promise(resolve => setImmediate(resolve))
  }
}

it('takes news that it can not read as a reason to ask the ledger, once for many', async () => {
  await pass(50)
  expect(news.head(0)).toBe(0)
  const reads = ledger.reads
  ledger.store('order:1', '{}')
  for (const text of ['2 moved 1', '', '-1', '1e3', 'moved']) say(text)
  await pass(100)
  expect(news.head(0)).toBe(1)
  expect(foreign.count('news')).toBe(5)
  expect(ledger.reads - reads).toBe(1)
  say('7')
  expect(news.head(0)).toBe(7)
  expect(foreign.count('news')).toBe(5)
})
