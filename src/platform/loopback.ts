import { randomUUID } from 'node:crypto'
import type { Logger } from './logger.ts'
import type { PubSub } from './pubsub.ts'

export interface LoopBackOptions {
  readonly pubsub: Pick<PubSub, 'ready' | 'connection' | 'subscribe' | 'barrier' | 'onReconnect' | 'renew'>
  /** A bus channel that nobody else uses. */
  readonly channel: string
  /** Publishes by way of the commands' connection; resolves when Redis has handed it to its subscribers. */
  readonly publish: (channel: string, message: string) => Promise<unknown>
  readonly everyMs?: number
  readonly logger?: Logger
  /** The first message has come back on a connection, or none does any more. */
  readonly onChange?: () => void
}

interface Sent {
  readonly number: number
  readonly connection: number
}

/** After losses in a row a new connection is tried after so many rounds more, doubling. */
const maxRest = 32

/**
 * Sends a message to itself about once a second: out by the commands' connection, back by the subscriber's. An
 * answered PING proves only that somebody is there. A subscriber that is still connected to the former master, that
 * was led to another server by a proxy, or whose subscriptions a server in between has forgotten answers every PING and
 * hears nothing; this finds it and has the connection made anew.
 *
 * A verdict needs no deadline, so a busy node is never taken for a deaf one: the message counts as lost only where it
 * was published, a round has passed since (for a subscriber on a replica), and an answer on the subscriber's
 * connection, which stands behind everything pushed before it, has come without it.
 *
 * All that it needs to know of Redis is in `LoopBackOptions`; `openLoopBack` makes them, also where subscriptions are spread
 * over the servers of a Cluster.
 */
export class LoopBack {
  readonly #options: LoopBackOptions
  readonly #timer: NodeJS.Timeout
  /** So that nobody else who uses the name is taken for this one. */
  readonly #life = randomUUID()
  readonly #stopListening: () => void
  #number = 0
  #lastHeard = 0
  #subscribedOn: number | undefined
  #heardOn: number | undefined
  #sent: Sent | undefined
  #losses = 0
  #resubscribed = 0
  #lossesInARow = 0
  #rest = 0
  #closed = false

  constructor(options: LoopBackOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#round(), options.everyMs ?? 1_000)
    this.#timer.unref()
    this.#stopListening = options.pubsub.onReconnect(subscribedAgain => {
      this.#resubscribed += subscribedAgain
      void this.#send()
    })
    this.#subscribe()
  }

  /** Whether a message has come back on the present connection, and none was lost since. */
  get heard(): boolean {
    const { ready, connection } = this.#options.pubsub
    return ready && this.#heardOn === connection
  }

  /** How often nothing came back although the subscriber's connection answered, since the start. */
  get losses(): number {
    return this.#losses
  }

  /** Channels that were subscribed again after a connection was lost, since the start. */
  get resubscribed(): number {
    return this.#resubscribed
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#stopListening()
  }

  async #round(): Promise<void> {
    const before = this.#sent
    this.#sent = undefined
    void this.#send()
    if (before) await this.#judge(before)
  }

  async #send(): Promise<void> {
    const { pubsub, channel, publish } = this.#options
    const number = ++this.#number
    const { connection } = pubsub
    // It shows whether commands are answered, too, so it goes out at once; a verdict needs the subscription confirmed
    // before it.
    const subscribed = this.#subscribedOn === connection
    if (!subscribed) this.#subscribe()
    const published = await publish(channel, `${this.#life} ${number}`).then(yes, no)
    if (subscribed && published && this.#lastHeard < number) this.#sent = { number, connection }
  }

  #subscribe(): void {
    const { pubsub, channel } = this.#options
    const { connection } = pubsub
    const confirmed = () => {
      this.#subscribedOn = connection
    }
    pubsub.subscribe(channel, payload => this.#hear(payload)).then(confirmed, () => undefined)
  }

  #hear(payload: Buffer): void {
    const [life, word] = payload.toString('latin1').split(' ')
    const number = Number(word)
    if (this.#closed || life !== this.#life || !(number > this.#lastHeard)) return
    this.#lastHeard = number
    this.#lossesInARow = 0
    this.#rest = 0
    const { connection } = this.#options.pubsub
    if (this.#heardOn === connection) return
    this.#heardOn = connection
    this.#options.onChange?.()
  }

  async #judge({ number, connection }: Sent): Promise<void> {
    const { pubsub } = this.#options
    const answered = await pubsub.barrier().then(yes, no)
    const present = pubsub.ready && pubsub.connection === connection
    if (!answered || !present || this.#closed || this.#lastHeard >= number) return
    if (this.#rest-- > 0) return
    this.#rest = Math.min(2 ** this.#lossesInARow++, maxRest)
    this.#losses++
    this.#heardOn = undefined
    pubsub.renew('it answers, and a message that was published for it did not come')
    this.#options.onChange?.()
  }
}

const yes = () => true
const no = () => false
