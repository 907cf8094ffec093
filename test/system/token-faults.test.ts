import { createHmac, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster, tokenSecret } from '../support/cluster.ts'
import { FrameClient } from '../support/frame-client.ts'

const config = {
  auth: {
    token: { hmacSecret: tokenSecret, audience: 'holdfast', issuer: 'tests' },
    personalNamespace: 'personal',
  },
  namespaces: {
    room: { tier: 'durable', allow: { subscribe: ['token'] } },
    open: { allow: { subscribe: ['client'] } },
    personal: {},
  },
}
const ours = { aud: 'holdfast', iss: 'tests' }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const now = () => Math.floor(Date.now() / 1000)
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function sign(claims: Record<string, unknown>, secret = tokenSecret): Promise<string> {
  return new SignJWT({ exp: now() + 600, ...ours, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret))
}

function withPublicKeyAsSecret(): string {
  const body = `${encode({ alg: 'HS256' })}.${encode({ sub: 'ann', ...ours })}`
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' })
  return `${body}.${createHmac('sha256', pem).update(body).digest('base64url')}`
}

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ config })
})
afterAll(() => cluster?.close())

type Command = { readonly id: number; readonly [method: string]: unknown }

/** What a command is answered with: the error's code (0: none), or the code of the disconnect that it led to. */
async function codeOf(client: FrameClient, command: Command): Promise<number> {
  client.send(command)
  const code = await client.expectReply(command.id).then(
    reply => reply.error?.code ?? 0,
    async () => (await client.ended()).code,
  )
  client.close()
  return code
}

describe.each([0, 1])('on node %i', i => {
  const url = () => (cluster.nodes[i] as Node).url

  it.each([
    ['of algorithm none', () => `${encode({ alg: 'none' })}.${encode({ sub: 'ann', ...ours })}.`, 3500],
    ['signed by HMAC with the text of a public key', withPublicKeyAsSecret, 3500],
    [
      'signed with a key of another kind',
      () => new SignJWT({ sub: 'ann', ...ours }).setProtectedHeader({ alg: 'RS256' }).sign(rsa.privateKey),
      3500,
    ],
    ['signed with another secret', () => sign({ sub: 'ann' }, 'another secret'), 3500],
    ['that have expired', () => sign({ sub: 'ann', exp: now() - 60 }), 109],
    ['that are not valid yet', () => sign({ sub: 'ann', nbf: now() + 60 }), 3500],
    ['for another audience', () => sign({ sub: 'ann', aud: 'others' }), 3500],
    ['of another issuer', () => sign({ sub: 'ann', iss: 'others' }), 3500],
    ['that are channel tokens', () => sign({ sub: 'ann', channel: 'room:42' }), 3500],
    ['that are missing', () => '', 3501],
    ['that are good', () => sign({ sub: 'ann' }), 0],
    ['of a user whose id fits into no personal channel', () => sign({ sub: 'Ann of the Mill' }), 0],
  ])('connection tokens %s are answered as the protocol says', async (_, token, code) => {
    const client = await FrameClient.open(url())
    expect(await codeOf(client, { id: 1, connect: { token: await token() } })).toBe(code)
  })

  const grant = { sub: 'ann', channel: 'room:42' }
  it.each([
    ['that are missing', 'room:42', () => '', 103],
    ['signed with another secret', 'room:42', () => sign(grant, 'another'), 103],
    ['that have expired', 'room:42', () => sign({ ...grant, exp: now() - 60 }), 109],
    ['for another channel', 'room:42', () => sign({ ...grant, channel: 'room:43' }), 3500],
    ['of another user', 'room:42', () => sign({ ...grant, sub: 'bob' }), 3500],
    ['of another client', 'room:42', () => sign({ ...grant, client: 'another' }), 3500],
    ['that are connection tokens', 'room:42', () => sign({ sub: 'ann' }), 3500],
    ['that are good', 'room:42', () => sign(grant), 0],
    ['that a private channel misses', '$open:1', () => '', 103],
    ['that a private channel asks for', '$open:1', () => sign({ ...grant, channel: '$open:1' }), 0],
    [
      'that grant what belongs to another user',
      'open:#bob',
      () => sign({ ...grant, channel: 'open:#bob' }),
      103,
    ],
  ])('channel tokens %s are answered as the protocol says', async (_, channel, token, code) => {
    const client = await FrameClient.connected(url(), await sign({ sub: 'ann' }))
    expect(await codeOf(client, { id: 2, subscribe: { channel, token: await token() } })).toBe(code)
  })

  it('a channel token tied to a client is good for that one', async () => {
    const client = await FrameClient.connected(url(), await sign({ sub: 'ann' }))
    const token = await sign({ ...grant, client: client.id })
    expect(await codeOf(client, { id: 2, subscribe: { channel: 'room:42', token } })).toBe(0)
  })

  it('a refresh takes a new token of the same user, and ends the connection for any other', async () => {
    const refreshed = async (token: string) => {
      const client = await FrameClient.connected(url(), await sign({ sub: 'ann' }))
      return codeOf(client, { id: 2, refresh: { token } })
    }
    expect(await refreshed(await sign({ sub: 'ann' }))).toBe(0)
    expect(await refreshed(await sign({ sub: 'bob' }))).toBe(3500)
    expect(await refreshed(await sign({ sub: 'ann' }, 'another'))).toBe(3500)
    expect(await refreshed(await sign({ sub: 'ann', exp: now() - 60 }))).toBe(3005)
  })
})
