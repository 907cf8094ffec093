import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { z } from 'zod'
import { freshDatabase } from '../../test/support/database.ts'
import { FrameClient } from '../../test/support/frame-client.ts'
import { ownPrefix } from '../../test/support/realtime-nodes.ts'
import { createClient } from '../client/index.ts'
import { defineContract, type StandardSchemaV1 } from '../contract/index.ts'
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
})
