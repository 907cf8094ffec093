import type { Centrifuge } from 'centrifuge'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster, tokenSecret } from '../support/cluster.ts'
import { FrameClient } from '../support/frame-client.ts'
import { connect, dense, received, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

/** Seconds. */
const ttl = 2

describe('tokens that live for seconds, on two nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({
      config: {
        // SDKs refresh when the time is over, which the server tells them in whole seconds, rounded up.
        limits: { expiryGraceMs: 3_000 },
        namespaces: {
          case: { tier: 'durable', allow: { subscribe: ['token'] } },
          hall: { tier: 'realtime', allow: { subscribe: ['token'] } },
        },
      },
    })
  })
  afterAll(() => cluster?.close())

  const node = (i: number) => cluster.nodes[i] as Node
  const short = (user: string, claims: Record<string, unknown> = {}) =>
    new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + ttl })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(user)
      .sign(new TextEncoder().encode(tokenSecret))
  const interruptions = (client: Centrifuge) => {
    const seen: number[] = []
    client.on('connecting', ({ code }) => seen.push(code))
    client.on('disconnected', ({ code }) => seen.push(code))
    return seen
  }

  it('are refreshed by SDKs again and again, and nothing is missed meanwhile', async () => {
    const asked = { connection: 0, case: 0, hall: 0 }
    const client = await connect(node(0).url, 'ann', {
      token: await short('ann'),
      getToken: () => {
        asked.connection++
        return short('ann')
      },
    })
    const seen = interruptions(client)
    const records = await Promise.all(
      (['case', 'hall'] as const).map(async name => {
        const record = await subscribe(client, `${name}:1`, {
          getToken: () => {
            asked[name]++
            return short('ann', { channel: `${name}:1` })
          },
        })
        record.subscription.on('subscribing', ({ code }) => seen.push(code))
        record.subscription.on('unsubscribed', ({ code }) => seen.push(code))
        return record
      }),
    )
    let sent = 0
    await until('each token has been refreshed three times', async () => {
      sent++
      for (const name of ['case', 'hall']) {
        await node(1).api('publish', { channel: `${name}:1`, data: sent })
      }
      return Object.values(asked).every(count => count > 3)
    })
    for (const record of records) {
      await received(record, sent)
      expect(record.data()).toEqual(dense(sent))
    }
    expect(seen).toEqual([])
    client.disconnect()
  })

  it('end the connection with 3005 where nobody refreshes them, and SDKs then give up for want of a new one', async () => {
    const raw = await FrameClient.connected(node(0).url, await short('bob'))
    const client = await connect(node(1).url, 'bob', { token: await short('bob') })
    const seen = interruptions(client)
    expect(await raw.ended()).toEqual({ code: 3005, reason: 'connection expired' })
    await until('the SDK has given up', () => client.state === 'disconnected')
    // 1 is the SDK's own word for a token that it cannot get.
    expect(seen.at(-1)).toBe(1)
  })

  it('end one subscription with 2501 where nobody refreshes them, and the connection stays', async () => {
    const raw = await FrameClient.connected(node(0).url, await token('carl'))
    for (const [id, channel] of [
      [2, 'case:2'],
      [3, 'hall:2'],
    ] as const) {
      raw.send({ id, subscribe: { channel, token: await short('carl', { channel }) } })
      expect(await raw.expectReply(id)).toMatchObject({ subscribe: { expires: true } })
    }
    const ended = [await raw.expectPush('unsubscribe'), await raw.expectPush('unsubscribe')]
    expect(ended.map(push => push.channel).sort()).toEqual(['case:2', 'hall:2'])
    for (const push of ended)
      expect(push['unsubscribe']).toEqual({ code: 2501, reason: 'subscription expired' })
    raw.send({ id: 4, sub_refresh: { channel: 'case:2', token: await short('carl', { channel: 'case:2' }) } })
    expect(await raw.expectError(4)).toBe(103)
    raw.send({ id: 5, subscribe: { channel: 'case:2', token: await short('carl', { channel: 'case:2' }) } })
    expect((await raw.expectReply(5)).error).toBeUndefined()
    raw.close()
  })

  it('are answered with 110 where they come expired, and end the connection where they are another’s', async () => {
    const old = (channel: string, user = 'dora') =>
      new SignJWT({ channel, exp: Math.floor(Date.now() / 1000) - 60 })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(user)
        .sign(new TextEncoder().encode(tokenSecret))
    const raw = await FrameClient.connected(node(1).url, await token('dora'))
    const channel = 'hall:3'
    raw.send({ id: 2, subscribe: { channel, token: await short('dora', { channel }) } })
    await raw.expectReply(2)
    raw.send({ id: 3, sub_refresh: { channel, token: await old(channel) } })
    expect(await raw.expectError(3)).toBe(110)
    raw.send({ id: 4, sub_refresh: { channel, token: 'nonsense' } })
    expect(await raw.expectError(4)).toBe(103)
    raw.send({ id: 5, sub_refresh: { channel, token: await short('emil', { channel }) } })
    expect((await raw.ended()).code).toBe(3500)
  })
})
