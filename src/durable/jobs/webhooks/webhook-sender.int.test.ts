import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Webhook as Verifier } from 'standardwebhooks'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { type RawHttp, type RawRequest, rawHttp, reply } from '../../../../test/support/raw-http.ts'
import { until } from '../../../../test/support/until.ts'
import { type WebhookInput, webhookConfig, webhookSecrets } from '../../../platform/index.ts'
import type { DeliveredEvent } from '../deliverer.ts'
import type { Resolve } from './connector.ts'
import { newWebhookSecret } from './signature.ts'
import { createWebhookSender, type Webhook, type WebhookSender } from './webhook-sender.ts'

const secret = newWebhookSecret()
const event: DeliveredEvent = {
  id: '0190b6a8-0000-7000-8000-000000000001',
  type: 'Said',
  channel: 'chat:lobby',
  offset: 1,
  partition: 0,
  position: 1,
  epoch: 'e',
  time: 1_700_000_000_000,
  data: '{"text":"grüße 😀","n":1.0}',
  info: null,
}

const opened: { close(): unknown }[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const each of opened.splice(0).reverse()) await each.close()
})

function hook(url: string, more: Partial<WebhookInput> = {}): Webhook {
  const config = webhookConfig.parse({ url, secrets: [secret], allowPrivate: true, ...more })
  return { rule: 'chats', config, ...webhookSecrets(config) }
}

function sender(resolve?: Resolve): WebhookSender {
  const made = createWebhookSender(resolve)
  opened.push(made)
  return made
}

async function receiver(answer: (socket: Socket, request: RawRequest) => void): Promise<RawHttp> {
  const made = await rawHttp(answer)
  opened.push(made)
  return made
}

async function send(webhook: Webhook, by = sender(), signal = new AbortController().signal) {
  return (await by.send(webhook, event, signal)).answer
}

describe('a webhook', () => {
  it('sends exactly the bytes that it signs, verified by the library of Standard Webhooks', async () => {
    const to = await receiver(socket => socket.write(reply(204)))
    const by = sender()
    expect(await send(hook(`${to.url}/in?x=1`), by)).toMatchObject({ kind: 'answered', status: 204 })
    await send(hook(`${to.url}/in`, { contentMode: 'binary', source: '/shop' }), by)
    for (const { body, headers } of to.requests) new Verifier(secret).verify(body, headers)
    const [structured, binary] = to.requests
    expect(structured?.head).toMatch(/^POST \/in\?x=1 HTTP\/1\.1\r\n/)
    expect(structured?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'Holdfast',
      'webhook-id': `chats_${event.id}`,
    })
    expect(JSON.parse(structured?.body ?? '')).toMatchObject({ id: event.id, source: '/holdfast/e' })
    expect(binary?.body).toBe(event.data)
    expect(binary?.headers).toMatchObject({ 'content-type': 'application/json', 'ce-source': '/shop' })
    for (let i = 0; i < 4; i++) await send(hook(to.url), by)
    expect(to.connections()).toBeLessThan(to.requests.length)
  })

  it('sends the rule’s own headers, from the environment too', async () => {
    vi.stubEnv('HOOK_KEY', 'Bearer 123')
    const to = await receiver(socket => socket.write(reply(200)))
    await send(hook(to.url, { headers: { Authorization: { env: 'HOOK_KEY' }, 'User-Agent': 'shop' } }))
    expect(to.requests[0]?.headers).toMatchObject({ authorization: 'Bearer 123', 'user-agent': 'shop' })
  })

  it('speaks TLS to the name that it was given, and believes no certificate that nobody vouches for', async () => {
    const { cert, key } = selfSigned('shop.example')
    const server = createServer({ cert, key }, (_, response) => response.end('thanks'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    opened.push(server)
    const { port } = server.address() as AddressInfo
    const here: Resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    const to = hook(`https://shop.example:${port}/`)
    expect(await send(to, sender(here))).toEqual({
      kind: 'unanswered',
      reason: expect.stringContaining('self-signed certificate'),
    })
    const trusted = getCACertificates()
    setDefaultCACertificates([...trusted, cert])
    try {
      expect(await send(to, sender(here))).toMatchObject({ status: 200, text: 'thanks' })
      const other = hook(`https://other.example:${port}/`)
      expect(await send(other, sender(here))).toMatchObject({
        reason: expect.stringContaining('ERR_TLS_CERT'),
      })
    } finally {
      setDefaultCACertificates(trusted)
    }
  })

  it('uses no proxy of the environment', async () => {
    const proxy = await receiver(socket => socket.write(reply(200)))
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'ALL_PROXY']) vi.stubEnv(name, proxy.url)
    vi.stubEnv('NODE_USE_ENV_PROXY', '1')
    for (const name of ['no_proxy', 'NO_PROXY']) vi.stubEnv(name, '')
    const to = await receiver(socket => socket.write(reply(200)))
    expect(await send(hook(to.url))).toMatchObject({ status: 200 })
    expect([to.connections(), proxy.connections()]).toEqual([1, 0])
  })
})

describe('a receiver', () => {
  const brief = { timeoutMs: 250 }
  const late = { kind: 'unanswered', reason: 'no complete answer within 250 ms' }
  /** Something every few milliseconds, for ever: no pause is long enough for a timeout between bytes. */
  function drip(socket: Socket, first: string, text: string): void {
    socket.write(first)
    const timer = setInterval(() => socket.write(text), 10)
    socket.on('close', () => clearInterval(timer))
  }

  it.each<[string, (socket: Socket) => void]>([
    ['accepts and says nothing', () => undefined],
    ['drips its headers', socket => drip(socket, 'HTTP/1.1 200 OK\r\n', 'x: y\r\n')],
    [
      'says 200 and drips its body',
      socket => drip(socket, reply(200, '', { 'content-length': '9999' }), '.'),
    ],
    [
      'says “early hints” for ever',
      socket => drip(socket, '', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'),
    ],
  ])('that %s is given up at the deadline, and its connection closed', async (_, answer) => {
    const to = await receiver(answer)
    expect(await send(hook(to.url, brief))).toEqual(late)
    await until('the connection is closed', () => to.open() === 0)
  })

  it.each<[string, (socket: Socket) => void]>([
    ['closes at once', socket => socket.destroy()],
    ['resets at once', socket => socket.resetAndDestroy()],
    [
      'says 200 and closes in the middle of its body',
      socket => socket.end(reply(200, 'half', { 'content-length': '99' })),
    ],
    [
      'says 200 and resets in the middle of its body',
      socket => socket.write(reply(200, 'half', { 'content-length': '99' }), () => socket.resetAndDestroy()),
    ],
    [
      'breaks off a chunked body',
      socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab'),
    ],
    ['has a length that is no number', socket => socket.end(reply(200, '', { 'content-length': 'many' }))],
    ['speaks another protocol', socket => socket.end('220 mail.example ESMTP\r\n')],
    ['sends endless headers', socket => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`)],
  ])('that %s has not answered', async (_, answer) => {
    const to = await receiver(answer)
    expect(await send(hook(to.url))).toMatchObject({ kind: 'unanswered', reason: /./ })
    expect(to.requests).toHaveLength(1)
  })

  it('that sends more than is read is cut off, and has answered all the same', async () => {
    let written = 0
    const to = await receiver(socket => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
      const more = () => {
        if (socket.destroyed) return
        written += chunk.length
        if (socket.write(chunk)) setImmediate(more)
      }
      socket.on('drain', more)
      more()
    })
    const answer = await send(hook(to.url, { maxResponseBytes: 1_000 }))
    expect(answer).toEqual({ kind: 'answered', status: 200, retryAfter: undefined, text: 'x'.repeat(1_000) })
    await until('the connection is closed', () => to.open() === 0)
    expect(written).toBeLessThan(50_000_000)
  })

  it('that is not there is named by the error of the system', async () => {
    const gone = await receiver(() => undefined)
    await gone.close()
    expect(await send(hook(gone.url))).toMatchObject({ reason: expect.stringContaining('ECONNREFUSED') })
    const nowhere = sender(async () => [])
    expect(await send(hook('http://shop.example'), nowhere)).toMatchObject({
      reason: 'shop.example has no address',
    })
  })

  it('whose name or connection hangs is given up at the deadline too, and gets nothing afterwards', async () => {
    const to = await receiver(socket => socket.write(reply(200)))
    const name = Promise.withResolvers<void>()
    const by = sender(() => name.promise.then(() => [{ address: '127.0.0.1', family: 4 }]))
    expect(await send(hook(`http://slow.example:${to.port}`, brief), by)).toEqual(late)
    name.resolve()
    await until('the connection is made', () => to.connections() > 0)
    expect(await send(hook(`http://slow.example:${to.port}/again`), by)).toMatchObject({ status: 200 })
    expect(to.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/again'])
  })

  it('is not blamed when the process has to stop', async () => {
    const to = await receiver(() => undefined)
    const stop = new AbortController()
    const answer = send(hook(to.url), sender(), stop.signal)
    await until('the request is there', () => to.requests.length > 0)
    stop.abort()
    expect(await answer).toEqual({ kind: 'interrupted' })
    await until('the connection is closed', () => to.open() === 0)
  })
})

describe('a private address', () => {
  const strict = { allowPrivate: false, allowHttp: true, timeoutMs: 500 }
  const refused = (reason: string) => ({ kind: 'unanswered', reason: expect.stringContaining(reason) })
  /** In 2000::/3, and given to nobody. */
  const publicAddress = { address: '2e00::1', family: 6 }
  const loopback = { address: '127.0.0.1', family: 4 }

  it.each([
    ...[
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.1',
      '017700000001',
      '0.0.0.0',
      'localhost',
      'LOCALHOST',
      '127.0.0.1.',
    ],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::127.0.0.1]', '[0:0:0:0:0:ffff:7f00:1]', '①②⑦.⓪.⓪.①'],
  ])('is not reached as %s', async host => {
    const to = await receiver(socket => socket.write(reply(200)))
    const answer = await send(hook(`http://${host}:${to.port}/`, strict))
    expect(answer).toEqual(refused('at no public address'))
    expect(to.connections()).toBe(0)
  })

  it('is reached where that is allowed', async () => {
    const to = await receiver(socket => socket.write(reply(200)))
    expect(await send(hook(`http://localhost:${to.port}/`))).toMatchObject({ status: 200 })
  })

  it('is not reached by a name that leads there, or does the second time it is asked', async () => {
    const to = await receiver(socket => socket.write(reply(200)))
    const answers = [[publicAddress], [loopback]]
    let asked = 0
    const changing = sender(async () => answers[asked++] ?? [loopback])
    const rebinding = hook(`http://rebinding.example:${to.port}/`, strict)
    // What was checked is what is connected to: the first answer, asked for once.
    expect(await send(rebinding, changing)).not.toEqual(refused('at no public address'))
    expect(asked).toBe(1)
    expect(await send(rebinding, changing)).toEqual(refused('127.0.0.1: loopback'))
    expect(to.connections()).toBe(0)
  })

  it('is left out where a name has public ones beside it', async () => {
    const to = await receiver(socket => socket.write(reply(200)))
    const both = sender(async () => [loopback, publicAddress])
    expect(await send(hook(`http://both.example:${to.port}/`, strict), both)).toMatchObject({
      kind: 'unanswered',
    })
    expect(to.connections()).toBe(0)
  })

  it('is not reached over the open connection of a rule that may', async () => {
    const to = await receiver(socket => socket.write(reply(200)))
    const by = sender(async () => [loopback])
    const url = `http://shop.example:${to.port}/`
    expect(await send(hook(url), by)).toMatchObject({ status: 200 })
    expect(to.open()).toBe(1)
    expect(await send(hook(url, strict), by)).toEqual(refused('at no public address'))
    expect(to.requests).toHaveLength(1)
  })
})
