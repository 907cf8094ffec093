import {
  type Logger,
  type LoopBack,
  openLoopBack,
  openPubSub,
  openRedis,
  type PubSubTimings,
  type RedisConnection,
  type RedisTarget,
  RemoteClock,
  type Subscriptions,
} from '../platform/index.ts'
import { Breakers, blamesRedis, type Guard } from '../resilience/index.ts'
import { Promptness, promptnessDefaults } from './promptness.ts'
import { Scripts } from './scripts.ts'

/** Where nobody publishes for so long, a sign of life is asked for. */
const idleMs = 1_000

/**
 * This node's connection to the bus Redis: one connection for commands behind a guard, one for Pub/Sub. `connected`
 * means that both answer, that every wanted bus channel is subscribed, and that what is published by the one comes
 * back by the other. `prompt` means that commands are answered faster than a person notices.
 */
export class RedisLink {
  readonly pubsub: Subscriptions
  /** An answer that takes longer is not waited for by those who have another way. */
  readonly promptMs: number
  readonly #connection: RedisConnection
  readonly #scripts: Scripts
  readonly #guard: Guard
  readonly #logger: Logger
  readonly #deadlineMs: number
  readonly #promptness: Promptness
  readonly #loopBack: LoopBack
  readonly #clock = new RemoteClock()
  readonly #impatient = new Set<() => void>()
  readonly #onSlow = new Set<() => void>()
  readonly #onPassing = new Set<() => void>()
  readonly #onConnected = new Set<() => void>()
  readonly #onLost = new Set<() => void>()
  #connected = false
  #losses = 0
  #wasPrompt = false
  #wasPassing = false
  #run = ''

  constructor(options: {
    target: RedisTarget
    nodeId: string
    /** Bus channels of this node's own, on which it hears itself: the first, or on a Cluster one for each connection. */
    loopBacks: readonly string[]
    deadlineMs: number
    promptMs?: number | undefined
    logger: Logger
    pubsub?: Partial<PubSubTimings>
    breakers?: Breakers | undefined
  }) {
    this.#logger = options.logger
    this.#deadlineMs = options.deadlineMs
    const { target, nodeId, logger } = options
    this.#connection = openRedis(target, 'guarded', `holdfast-realtime-${nodeId}`, logger)
    this.#scripts = new Scripts(this.#connection)
    const promptMs = options.promptMs ?? promptnessDefaults.promptMs
    this.#promptness = new Promptness({ ...promptnessDefaults, promptMs }, () => this.#look())
    this.promptMs = promptMs
    const breakers = options.breakers ?? new Breakers(options.logger)
    this.#guard = breakers.guard('bus', {
      name: 'redis (bus)',
      awayAtFirst: 'not connected yet',
      deadlineMs: options.deadlineMs,
      idleMs,
      probe: () => Promise.all([this.#beat([]), this.#learnRun()]),
      blames: blamesRedis('publish'),
      onChange: () => this.#look(),
    })
    this.#connection.onReady(() => this.#guard.probeSoon())
    this.#connection.onLost(() => {
      this.#clock.forget()
      this.#run = ''
      this.#guard.trip('the connection is closed')
    })
    this.pubsub = openPubSub(target, `holdfast-realtime-sub-${nodeId}`, logger, options.pubsub)
    this.pubsub.onReconnect(() => this.#look())
    this.pubsub.onLost(() => this.#look())
    this.#loopBack = openLoopBack({
      pubsub: this.pubsub,
      names: options.loopBacks,
      publish: pairs => this.ask(() => this.#beat(pairs)),
      logger,
      onChange: () => this.#look(),
    })
  }

  get connected(): boolean {
    return this.#connected
  }

  /** How often it has stopped being connected, however shortly. */
  get losses(): number {
    return this.#losses
  }

  /** Whether a command would be tried at all at this moment. */
  get passing(): boolean {
    return this.#guard.passing
  }

  /** Whether an operator keeps this node from the others: they must still be told of it, and tell it to stop. */
  get heldAway(): boolean {
    return this.#guard.held && !this.#guard.passing
  }

  /** Whether commands are answered, and promptly: nobody of this node waits for a Redis of which this is not true. */
  get prompt(): boolean {
    return this.#guard.passing && this.#promptness.prompt
  }

  /** The present run of the server: another one may know less than this one did. Empty where it is not known. */
  get run(): string {
    return this.#run
  }

  /** How the node fares that sends messages to itself. */
  get loop(): Pick<LoopBack, 'losses' | 'resubscribed'> {
    return this.#loopBack
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED (never sent), DEPENDENCY_TIMEOUT or _FAILED (may have taken effect) */
  call<T>(act: (scripts: Scripts) => Promise<T>): Promise<T> {
    return this.#guard.run(() => act(this.#scripts))
  }

  /** Tried in any state. @throws HoldfastError DEPENDENCY_TIMEOUT or _FAILED (may have taken effect) */
  insist<T>(act: (scripts: Scripts) => Promise<T>): Promise<T> {
    return this.#guard.insist(() => act(this.#scripts))
  }

  /**
   * For what somebody waits for who has another way: given up where it is not prompt.
   * @throws HoldfastError as `call`
   */
  ask<T>(act: (scripts: Scripts) => Promise<T>): Promise<T> {
    return this.#promptness.wait(this.call(act))
  }

  /** Waits as long as Redis is prompt, and no longer than `mostMs`; undefined after that. */
  whilePrompt<T>(answer: Promise<T>, mostMs?: number): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = mostMs && setTimeout(() => setImmediate(end), mostMs)
      const end = () => {
        if (timer) clearTimeout(timer)
        this.#impatient.delete(end)
        resolve(undefined)
      }
      if (!this.prompt) end()
      else this.#impatient.add(end)
      answer.then(resolve, reject).finally(end)
    })
  }

  /**
   * The moment, by Redis' clock, after which a call sent now has been given up: scripts refuse to act later, so
   * that a hung Redis does not do in an hour what nobody waits for any more. 0 where the clock is not known.
   * `since`: when what it carries came into being, by `performance.now()`.
   */
  notAfter(withinMs: number = this.#deadlineMs, since: number = performance.now()): number {
    return this.#clock.at(since + withinMs)
  }

  /** A moment of this process by Redis' clock, in milliseconds; 0 where that is not known. */
  time(moment: number = performance.now()): number {
    return this.#clock.at(moment)
  }

  learnClock(clock: number): void {
    this.#clock.learn(clock)
  }

  /** Called when it stops being prompt. */
  onSlow(listener: () => void): void {
    this.#onSlow.add(listener)
  }

  /** Called when commands are tried again after a time without. */
  onPassing(listener: () => void): void {
    this.#onPassing.add(listener)
  }

  onConnected(listener: () => void): void {
    this.#onConnected.add(listener)
  }

  onLost(listener: () => void): void {
    this.#onLost.add(listener)
  }

  /** Resolves when it is connected, or after `waitMs` all the same. */
  async started(waitMs: number): Promise<void> {
    if (this.#connected) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, waitMs)
      this.#onConnected.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    this.#onConnected.clear()
    this.#onLost.clear()
    this.#onSlow.clear()
    this.#onPassing.clear()
    this.#loopBack.close()
    this.#guard.close()
    await this.pubsub.close()
    this.#connection.close()
  }

  /** A sign of life, which may carry a message. */
  async #beat(message: readonly string[]): Promise<void> {
    const sentAt = performance.now()
    const { clock } = await this.#scripts.publishBatch(this.notAfter(), message)
    this.#clock.learn(clock)
    this.#promptness.answered(performance.now() - sentAt)
  }

  /** Where it can't be learnt, a restarted Redis is not told from the one before; nothing else fails of that. */
  async #learnRun(): Promise<void> {
    if (this.#run !== '') return
    // The nodes of a Cluster have a run each: there the scripts ask.
    if (this.#connection.cluster) this.#run = '?'
    else this.#run = await this.#readRun()
  }

  async #readRun(): Promise<string> {
    const info = await this.#connection.client.info('server').catch(() => '')
    return /run_id:([0-9a-f]+)/.exec(info)?.[1] ?? ''
  }

  #look(): void {
    const { prompt } = this
    if (this.#wasPrompt && !prompt) {
      for (const end of [...this.#impatient]) end()
      for (const listener of this.#onSlow) listener()
    }
    this.#wasPrompt = prompt
    const { passing } = this
    const again = passing && !this.#wasPassing
    this.#wasPassing = passing
    if (again) for (const listener of this.#onPassing) listener()
    const connected = passing && this.#loopBack.heard
    if (connected === this.#connected) return
    this.#connected = connected
    if (!connected) this.#losses++
    if (connected) this.#logger.info('realtime tier reaches other nodes')
    else this.#logger.warn('realtime tier delivers on this node only')
    for (const listener of connected ? this.#onConnected : this.#onLost) listener()
  }
}
