import { WebSocket } from 'ws'
import type { Channel, Client, Listener, Outcome } from '../types.ts'

type Answer = 'ok' | 'failed' | 'unknown'

/** How long an answer may take. */
const answerMs = 5_000
const reconnectMs = { first: 100, most: 1_000 }

/**
 * The client of a plain `ws` server, as it is written around the browser's WebSocket: comes back by itself, joins
 * again, says where it stopped, drops what it has, and tells whoever listens that the line was gone.
 */
export class WsClient implements Client {
  readonly #url: string
  /** `last`: the greatest offset that came, where the server gives any. */
  readonly #joined = new Map<string, Listener & { last: number }>()
  readonly #answers = new Map<number, (answer: Answer) => void>()
  readonly #opened = new Set<() => void>()
  #socket: WebSocket | undefined
  #open = false
  #closed = false
  #before = false
  #delay = reconnectMs.first
  #ids = 0

  constructor(url: string) {
    this.#url = url
    this.#connect()
  }

  async subscribe({ name: channel }: Channel, listener: Listener): Promise<void> {
    this.#joined.set(channel, { ...listener, last: 0 })
    await this.#connected(30_000)
    for (;;) if ((await this.#join(channel)) === 'ok') return
  }

  async send({ name: channel }: Channel, value: string): Promise<{ readonly outcome: Outcome }> {
    if (!(await this.#connected(answerMs))) return { outcome: 'failed' }
    return { outcome: await this.#ask({ publish: channel, value }) }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#socket?.terminate()
  }

  #connect(): void {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false, handshakeTimeout: answerMs })
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('open', () => {
      this.#open = true
      this.#delay = reconnectMs.first
      for (const listener of this.#before ? this.#joined.values() : []) listener.told()
      for (const channel of this.#before ? this.#joined.keys() : []) void this.#join(channel)
      this.#before = true
      for (const resolve of this.#opened) resolve()
    })
    socket.on('message', bytes => this.#take(JSON.parse(bytes.toString())))
    socket.on('close', () => {
      this.#open = false
      for (const answer of this.#answers.values()) answer('unknown')
      if (this.#closed) return
      setTimeout(() => this.#connect(), this.#delay)
      this.#delay = Math.min(reconnectMs.most, this.#delay * 2)
    })
  }

  #take(message: { id?: number; ok?: boolean; channel?: string; value?: string; offset?: number }): void {
    if (message.id !== undefined) {
      this.#answers.get(message.id)?.(message.ok ? 'ok' : 'failed')
      return
    }
    const joined = this.#joined.get(message.channel ?? '')
    if (!joined) return
    if (message.offset !== undefined) {
      if (message.offset <= joined.last) return
      joined.last = message.offset
    }
    joined.heard(message.value ?? '')
  }

  /** A join that the server could not do is tried again on the same line; one that a lost line took, on the next. */
  async #join(channel: string): Promise<Answer> {
    const answer = await this.#ask({ join: channel, since: this.#joined.get(channel)?.last ?? 0 })
    if (answer === 'ok' || this.#closed) return 'ok'
    if (this.#open) {
      await new Promise(resolve => setTimeout(resolve, reconnectMs.first))
      return this.#join(channel)
    }
    return answer
  }

  #ask(message: object): Promise<Answer> {
    const id = ++this.#ids
    return new Promise(resolve => {
      const answer = (value: Answer) => {
        clearTimeout(timer)
        this.#answers.delete(id)
        resolve(value)
      }
      const timer = setTimeout(() => answer('unknown'), answerMs)
      this.#answers.set(id, answer)
      this.#socket?.send(JSON.stringify({ id, ...message }), error => error && answer('unknown'))
    })
  }

  #connected(limitMs: number): Promise<boolean> {
    if (this.#open) return Promise.resolve(true)
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.#opened.delete(end)
        resolve(this.#open)
      }
      const timer = setTimeout(end, limitMs)
      this.#opened.add(end)
    })
  }
}
