import { pgTable, text } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { z } from 'zod'
import { freshDatabase } from '../../test/support/database.ts'
import { FrameClient } from '../../test/support/frame-client.ts'
import { ownPrefix } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { createClient } from '../client/index.ts'
import { defineContract, type StandardSchemaV1 } from '../contract/index.ts'
import { connectPostgres } from '../platform/index.ts'
import { createHoldfast } from './holdfast.ts'
import type { Holdfast } from './types.ts'

const allow = {
  subscribe: ['anonymous' as const],
  append: ['anonymous' as const],
  history: ['anonymous' as const],
}

interface Order {
  lines: { sku: string }[]
}

/** As written by hand, after the letter of the specification: keys as objects, and a promise. */
const byHand: StandardSchemaV1<Order> = {
  '~standard': {
    version: 1,
    vendor: 'by-hand',
    async validate(value) {
      const lines = (value as Partial<Order> | null)?.lines
      if (!Array.isArray(lines)) return { issues: [{ message: 'expected lines', path: ['lines'] }] }
      const at = lines.findIndex(line => typeof line?.sku !== 'string')
      if (at < 0) return { value: value as Order }
      return { issues: [{ message: 'expected a string', path: [{ key: 'lines' }, at, { key: 'sku' }] }] }
    },
  },
}
const contract = defineContract({
  'order:zod:{id}': {
    Placed: z.object({ lines: z.array(z.object({ sku: z.string('expected a string') })) }),
  },
  'order:hand:{id}': { Placed: byHand },
})
const good = { lines: [{ sku: 'a' }, { sku: 'b' }] }
const bad = { lines: [{ sku: 'a' }, { sku: 5 }] }
const told = 'bad request: Placed at lines.1.sku: expected a string'
const unknown = (kind: string) => `bad request: order:${kind}:{id} carries Placed, not "Shipped"`

describe('an append that does not match its contract is refused with path and reason', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  let hf: Holdfast<typeof contract>
  let url: string

  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
    hf = await createHoldfast({
      http: { host: '127.0.0.1', port: 0 },
      redis: { url: inject('redisUrl'), prefix: ownPrefix() },
      postgres: { url: database.url, migrate: true, poolSize: 2 },
      namespaces: { order: { tier: 'durable', allow } },
      auth: { allowAnonymous: true },
      api: { key: 'key' },
      log: { level: 'silent' },
      contract,
    })
    const { port } = await hf.listen()
    url = `ws://127.0.0.1:${port}/connection/websocket`
  })
  afterAll(async () => {
    await hf?.close()
    await database?.drop()
  })

  // The longest name that a channel may have leaves the reason whole.
  for (const kind of ['zod', 'hand']) {
    const channel = `order:${kind}:${'x'.repeat(255 - `order:${kind}:`.length)}`

    it(`over the socket, by a schema of ${kind}`, async () => {
      const client = await FrameClient.connected(url)
      const answers: unknown[] = []
      for (const [id, type, data] of [
        [2, 'Placed', bad],
        [3, 'Shipped', good],
        [4, 'Placed', good],
      ] as const) {
        client.send({ id, rpc: { method: 'holdfast.append', data: { channel, type, data } } })
        answers.push((await client.expectReply(id)).error)
      }
      expect(answers).toEqual([
        { code: 107, message: told },
        { code: 107, message: unknown(kind) },
        undefined,
      ])
      client.close()
    })

    it(`to our client, by a schema of ${kind}`, async () => {
      const client = createClient(url)
      await client.connect()
      const order = client.channel(channel)
      await expect(order.append('Placed', bad)).rejects.toMatchObject({
        code: 107,
        message: told,
        temporary: false,
      })
      await expect(order.append('Shipped', good)).rejects.toMatchObject({ code: 107, message: unknown(kind) })
      await order.append('Placed', good)
      client.disconnect()
    })

    it(`over HTTP, by a schema of ${kind}`, async () => {
      const ask = async (type: string, data: unknown) => {
        const response = await fetch(`http://${new URL(url).host}/api/append`, {
          method: 'POST',
          headers: { 'x-api-key': 'key', 'content-type': 'application/json' },
          body: JSON.stringify({ channel, type, data }),
        })
        return ((await response.json()) as { error?: unknown }).error
      }
      expect(await ask('Placed', bad)).toEqual({ code: 107, message: told })
      expect(await ask('Shipped', good)).toEqual({ code: 107, message: unknown(kind) })
      expect(await ask('Placed', good)).toBeUndefined()
    })

    it(`to the server’s own code, by a schema of ${kind}`, async () => {
      const append = hf.append as (channel: string, type: string, data: unknown) => Promise<unknown>
      await expect(append(channel, 'Placed', bad)).rejects.toMatchObject({
        code: 'PAYLOAD_INVALID',
        details: { path: 'lines.1.sku', reason: 'expected a string' },
      })
      await expect(append(channel, 'Shipped', good)).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
      await append(channel, 'Placed', good)
      // Nothing that was refused is there.
      const { publications } = await hf.history(channel as `order:zod:${string}`)
      expect(publications.map(({ data }) => data)).toEqual([good, good, good, good])
    })
  }

  it('and what is recorded comes to batch handlers and batch sinks with its types', async () => {
    const sql = connectPostgres(database.url, { max: 1, applicationName: 'holdfast-test' })
    await sql`create table if not exists lines (id text, sku text)`
    await sql`create table if not exists sold (sku text)`
    const sink = hf.batchSink('lines', {
      channels: ['order:zod:{id}', 'order:hand:{id}'],
      types: 'Placed',
      table: pgTable('lines', { id: text(), sku: text() }),
      row({ params, data }) {
        // @ts-expect-error the compiler knows what an event carries
        if (data.noLines) return undefined
        return data.lines.map(({ sku }) => ({ id: params.id, sku }))
      },
      maxDelayMs: 0,
    })
    // @ts-expect-error and which types there are
    hf.group('never').onBatch('order:zod:{id}', 'Shipped', () => undefined)
    hf.group('sold', { batchSize: 100 }).onBatch('order:zod:{id}', 'Placed', async (events, { tx }) => {
      const skus = events.flatMap(({ data }) => data.lines.map(({ sku }) => sku))
      await tx`insert into sold select unnest(${`{${skus}}`}::text[])`
    })
    await hf.append('order:zod:batches', 'Placed', good)
    await hf.append('order:hand:batches', 'Placed', good)
    await until('both have written', async () => {
      const [lines, sold] = [await sql`select from lines where id = 'batches'`, await sql`select from sold`]
      return lines.length === 4 && sold.length >= 2
    })
    await until('it has counted', () => sink.status().rows >= 4)
    await sql.end({ timeout: 1 })
  })
})
