import { Webhook as Verifier } from 'standardwebhooks'
import type { Dispatcher } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { type RawHttp, rawHttp, reply } from '../../../../test/support/raw-http.ts'
import { systemResolve, webhookAgent } from './connector.ts'
import { type Post, post } from './post.ts'
import { newWebhookSecret, signatureHeaders } from './signature.ts'

const secret = newWebhookSecret()
const body = '{"text":"hello"}'
const signed = signatureHeaders({ id: 'r_1', time: new Date(), body, secrets: [secret] })
const open = webhookAgent(systemResolve, true)
const guarded = webhookAgent(systemResolve, false)

const servers: RawHttp[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

/** A receiver that answers the n-th request with the n-th answer. */
async function receiver(...answers: readonly string[]): Promise<RawHttp> {
  const server: RawHttp = await rawHttp(socket =>
    socket.write(answers[server.requests.length - 1] ?? reply(500)),
  )
  servers.push(server)
  return server
}

function redirect(status: number, location: string): string {
  return reply(status, 'look elsewhere', { location })
}

function send(url: string, more: Partial<Post> = {}) {
  return post({
    url,
    body,
    headers: { ...signed, 'content-type': 'application/json' },
    ownHeaders: { authorization: 'Bearer 123' },
    userAgent: 'Holdfast',
    timeoutMs: 5_000,
    maxRedirects: 3,
    allowHttp: true,
    maxResponseBytes: 1_000,
    dispatcher: open,
    signal: new AbortController().signal,
    ...more,
  })
}

/** Brings what is meant for one origin to a server of this test, and everything else to where it is meant for. */
function standIn(origin: string, server: RawHttp, others: Dispatcher): Dispatcher {
  const at = ({ origin: wanted }: Dispatcher.DispatchOptions) => String(wanted) === origin
  return {
    dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) =>
      at(options)
        ? open.dispatch({ ...options, origin: server.url }, handler)
        : others.dispatch(options, handler),
  } as unknown as Dispatcher
}

describe('a redirect', () => {
  it.each([301, 302, 307, 308])('with %i is followed as a POST with the same signed body', async status => {
    const to = await receiver(redirect(status, '/moved?x=1'), reply(204))
    expect(await send(`${to.url}/old`)).toMatchObject({ status: 204 })
    const [, second] = to.requests
    expect(second?.head).toMatch(/^POST \/moved\?x=1 /)
    new Verifier(secret).verify(second?.body ?? '', second?.headers ?? {})
    expect(second?.headers).toMatchObject({ authorization: 'Bearer 123', 'user-agent': 'Holdfast' })
  })

  it.each([300, 303, 304])('with %i is an answer like any other', async status => {
    const to = await receiver(redirect(status, '/moved'))
    expect(await send(to.url)).toMatchObject({ kind: 'answered', status })
    expect(to.requests).toHaveLength(1)
  })

  it('is not followed where none are allowed', async () => {
    const to = await receiver(redirect(307, '/moved'))
    expect(await send(to.url, { maxRedirects: 0 })).toMatchObject({ kind: 'answered', status: 307 })
    expect(to.requests).toHaveLength(1)
  })

  it('is followed so often and no further', async () => {
    const circle = await receiver(...Array.from({ length: 10 }, () => redirect(307, '/')))
    const reason = 'status 307: more than 3 redirects'
    expect(await send(circle.url)).toEqual({ kind: 'unanswered', reason })
    expect(circle.requests).toHaveLength(4)
  })

  it('to another origin takes the signature along, and none of the rule’s own headers', async () => {
    const there = await receiver(reply(200))
    const back = await receiver(redirect(307, `${there.url}/x`))
    expect(await send(back.url)).toMatchObject({ status: 200 })
    new Verifier(secret).verify(there.requests[0]?.body ?? '', there.requests[0]?.headers ?? {})
    expect(there.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it.each([
    ['to a private address', 'http://127.0.0.1:PORT/', /127\.0\.0\.1 is at no public address/],
    ['to the machine itself', 'http://localhost:PORT/', /localhost is at no public address/],
    ['to a number for it', 'http://2130706433:PORT/', /127\.0\.0\.1 is at no public address/],
  ])('%s is refused, wherever it comes from', async (_, location, reason) => {
    const inside = await receiver(reply(200))
    const outside = await receiver(redirect(307, location.replace('PORT', String(inside.port))))
    const dispatcher = standIn('http://shop.example', outside, guarded)
    const answer = await send('http://shop.example/hook', { dispatcher })
    expect(answer).toEqual({ kind: 'unanswered', reason: expect.stringMatching(reason) })
    expect([outside.requests.length, inside.connections()]).toEqual([1, 0])
  })

  it.each([
    ['from https to http', 'https://shop.example', 'http://shop.example/x', true, 'from https to http'],
    ['to http where it is not allowed', 'http://shop.example', 'http://shop.example/x', false, 'to http'],
    ['to another protocol', 'https://shop.example', 'file:///etc/passwd', true, 'to file:'],
    ['with a password', 'https://shop.example', 'https://a:b@shop.example/', true, 'with a user or password'],
    ['to nowhere', 'https://shop.example', 'https://:0:0/', true, 'without an address'],
  ])('%s is refused', async (_, origin, location, allowHttp, reason) => {
    const to = await receiver(redirect(308, location))
    const dispatcher = standIn(origin, to, guarded)
    const answer = await send(`${origin}/hook`, { dispatcher, allowHttp })
    expect(answer).toEqual({ kind: 'unanswered', reason: `status 308: a redirect ${reason}` })
    expect(to.requests).toHaveLength(1)
  })

  it('and what follows share one deadline', async () => {
    const hangs = await rawHttp(() => undefined)
    servers.push(hangs)
    const to = await receiver(redirect(307, hangs.url))
    expect(await send(to.url, { timeoutMs: 300 })).toEqual({
      kind: 'unanswered',
      reason: 'no complete answer within 300 ms',
    })
    expect(hangs.requests).toHaveLength(1)
  })
})
