// The load process of rebuilds: events straight into the ledger, as many as it takes or at a steady rate.

import { newEventId } from '../../src/domain/index.ts'
import { createPostgresLedger } from '../../src/durable/index.ts'
import { answer } from '../stage/remote.ts'
import { percentiles } from './latencies.ts'

type Ledger = Awaited<ReturnType<typeof createPostgresLedger>>

let ledger: Ledger
let appended = 0
let took: number[] = []
let timer: NodeJS.Timeout | undefined
const underWay = new Set<Promise<void>>()

async function open({ databaseUrl }: { databaseUrl: string }): Promise<void> {
  ledger = await createPostgresLedger({ url: databaseUrl, poolSize: 4, lanes: 1, allowUnsafeFsync: true })
}

async function appendOne(channels: number): Promise<void> {
  const n = appended++
  const channel = `facts:order-${(n * 7_919) % channels}`
  const data = JSON.stringify({ order: n, amount: n % 97, note: 'x'.repeat(90) })
  const outcome = await ledger.append({ channel, type: 'OrderPaid', data, id: newEventId() })
  if (outcome.kind !== 'stored') throw new Error(`event ${n} was not stored: ${outcome.kind}`)
}

/** Appends so many, with so many under way at a time. Returns how many there are in sum. */
async function fill({
  events,
  channels,
  inFlight,
}: {
  events: number
  channels: number
  inFlight: number
}): Promise<number> {
  const end = appended + events
  const one = async () => {
    while (appended < end) await appendOne(channels)
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return appended
}

/** Appends so many a second until `stopSteady`. */
function steady({ perSecond, channels }: { perSecond: number; channels: number }): void {
  took = []
  const began = performance.now()
  let due = 0
  timer = setInterval(() => {
    const now = performance.now()
    for (; due < ((now - began) * perSecond) / 1_000; due++) {
      const at = performance.now()
      const one = appendOne(channels).then(() => void took.push(performance.now() - at))
      underWay.add(one)
      one.finally(() => underWay.delete(one)).catch(() => undefined)
    }
  }, 10)
}

async function stopSteady() {
  clearInterval(timer)
  await Promise.all(underWay)
  return { appended, latencies: percentiles(took) }
}

const handlers = { open, fill, steady, stopSteady }
export type LedgerFeedHandlers = typeof handlers
answer(handlers)
