/**
 * A receiver of webhooks with a bad character, as a process: `node webhook-receiver.ts <port> <journal> <secret> <seed>`.
 * It takes the data `{"n":…,"poison":…}`, and refuses what is poison. Whatever it does is a line in the journal before
 * the answer goes out, so that it may be killed at any time.
 */
import { appendFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { seeded } from './seeded.ts'

export interface JournalLine {
  /** The `webhook-id`. */
  readonly id: string
  readonly event: string
  readonly n: number
  /** `took` and `lied …` have taken the event in; `unverified`: the signature was not true. */
  readonly did: string
}

const [, , port = '0', journal = '', secret = '', seed = '1'] = process.argv
const random = seeded(Number(seed))
const verifier = new Webhook(secret)

type Answer = (response: ServerResponse) => void
const status =
  (code: number, headers = {}): Answer =>
  response =>
    response.writeHead(code, headers).end('as you see')

/** What it does, how often, and how it then answers. */
const moods: readonly (readonly [did: string, share: number, answer: Answer])[] = [
  ['failed', 10, status(500)],
  ['failed', 4, status(404)],
  ['failed', 4, status(302, { location: '/elsewhere' })],
  ['failed', 1, status(429, { 'retry-after': '1' })],
  ['failed', 4, response => response.destroy()],
  ['hung', 4, () => undefined],
  ['lied: 500', 6, status(500)],
  ['lied: closed', 6, response => response.destroy()],
  ['lied: hung', 4, () => undefined],
  ['lied: half an answer', 4, response => halfAnswer(response)],
  ['took', 50, status(204)],
]
const shares = moods.reduce((sum, [, share]) => sum + share, 0)

function halfAnswer(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('half', () => response.destroy())
}

function mood(): (typeof moods)[number] {
  let left = random() * shares
  for (const each of moods) {
    left -= each[1]
    if (left < 0) return each
  }
  return ['took', 1, status(204)]
}

function note(line: JournalLine): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`)
}

createServer(async (request, response) => {
  const body = await text(request)
  const id = String(request.headers['webhook-id'])
  try {
    verifier.verify(body, request.headers as Record<string, string>)
  } catch {
    note({ id, event: '', n: 0, did: 'unverified' })
    return response.writeHead(401).end()
  }
  const { id: event, data } = JSON.parse(body) as { id: string; data: { n: number; poison: boolean } }
  if (data.poison) {
    note({ id, event, n: data.n, did: 'refused' })
    return response.writeHead(400).end('I never take these')
  }
  const [did, , answer] = mood()
  note({ id, event, n: data.n, did })
  answer(response)
}).listen(Number(port), '127.0.0.1', () => process.send?.('ready'))
