import { randomUUID } from 'node:crypto'
import { asHoldfastError, type ClientInfo, type HoldfastError } from '../domain/index.ts'
import {
  type Command,
  type ConnectCommand,
  type Disconnect,
  disconnectFor,
  disconnects,
  errorReply,
  fitReason,
  parseFrame,
  pingLine,
  wireError,
  withDetail,
} from '../protocol/index.ts'
import { ChannelOrder } from './channel-order.ts'
import { connect } from './commands/connect.ts'
import { subscribeFromServer } from './commands/subscribe.ts'
import type { OtherEnd } from './gateway-counts.ts'
import { Heartbeat } from './heartbeat.ts'
import { Mailbox } from './mailbox.ts'
import type { GatewayParts } from './parts.ts'
import { type Pending, PendingReplies } from './pending-replies.ts'
import { ReadTurns } from './read-turns.ts'
import { Reading } from './reading.ts'
import { SessionCommands } from './session-commands.ts'
import type { Opening, SessionContext } from './session-context.ts'
import { isPerformable, type Performable, type SessionState } from './session-state.ts'
import { SessionSubscriptions } from './session-subscriptions.ts'
import { steadyExpiry, steadyNow } from './steady-clock.ts'
import type { Transport } from './transport.ts'
import type { Credentials, SessionHandle } from './types.ts'

/** A command that is slower than this no longer holds back the replies of later ones. */
const overtakeMs = 250

/** Headers take more memory than all the rest of an idle session. */
const noOpening: Opening = { headers: {}, cookies: {} }

/** One connection, from its opening to its end: what it may say when, and what is told to it. */
export class Session implements SessionHandle, SessionContext {
  readonly client = randomUUID() as string
  readonly parts: GatewayParts
  readonly order = new ChannelOrder()
  readonly reads: ReadTurns
  readonly subscriptions: SessionSubscriptions
  readonly mailbox: Mailbox
  info: ClientInfo = { user: '', client: this.client }
  expiresAtMs: number | undefined
  traced: ReadonlySet<string> | undefined
  handshake: Opening
  readonly #transport: Transport
  readonly #replies: PendingReplies
  readonly #reading: Reading
  readonly #commands: SessionCommands
  #counted = false
  #canary = false
  #state: SessionState
  #draining = false

  constructor(parts: GatewayParts, transport: Transport, handshake: Opening) {
    const { limits } = parts.config
    this.handshake = handshake
    this.parts = parts
    this.#transport = transport
    this.#state = { kind: 'opened', staleAtMs: steadyNow() + limits.connectTimeoutMs }
    this.mailbox = new Mailbox({
      sink: transport.sink,
      turn: parts.turn,
      maxBytes: limits.maxMailboxBytes,
      onOverflow: () => this.#endSlow(),
      onRoom: () => this.#adjustReading(),
    })
    this.#replies = new PendingReplies({
      send: line => this.mailbox.reply(line),
      overtakeMs,
      deadlineMs: limits.hookTimeoutMs,
      onLate: code => parts.counts.error(code),
      onSettled: () => this.#afterCommands(),
    })
    this.#reading = new Reading(transport, limits.maxMailboxBytes)
    this.reads = new ReadTurns(() => this.#replyBytes < limits.maxMailboxBytes)
    this.subscriptions = new SessionSubscriptions(this, parts)
    this.#commands = new SessionCommands(this, this.#replies)
  }

  get user(): string {
    return this.info.user
  }

  get closed(): boolean {
    return this.#state.kind === 'closed'
  }

  channels(): Iterable<string> {
    return this.subscriptions.channels()
  }

  infoIn(channel: string): ClientInfo {
    return this.subscriptions.get(channel)?.infoOf(this.info) ?? this.info
  }

  /** Takes one text frame from the peer. */
  receive(text: string): void {
    if (this.closed || this.#draining || !this.#commands.takeFrame()) return
    let commands: Command[]
    try {
      commands = parseFrame(text)
    } catch (error) {
      this.end(disconnectFor(asHoldfastError(error)) ?? disconnects.badRequest)
      return
    }
    for (const command of commands) this.#accept(command)
    this.#adjustReading()
  }

  /** The peer has sent a frame of the WebSocket protocol's own: a ping or a pong. */
  receiveControl(): void {
    if (!this.closed) this.#commands.takeFrame()
  }

  /** Called now and then, with the steady clock's time: pings, expiries and what else is due. */
  tick(nowMs: number): void {
    const state = this.#state
    if (state.kind === 'closed') return
    if (state.kind !== 'connected') {
      if (nowMs >= state.staleAtMs) this.end(disconnects.stale)
      return
    }
    const pulse = state.heartbeat.beat(nowMs)
    const { expiryGraceMs } = this.parts.config.limits
    if (pulse === 'no_pong') this.end(disconnects.noPong)
    else if (this.expiresAtMs !== undefined && this.expiresAtMs + expiryGraceMs < nowMs) {
      this.end(disconnects.connectionExpired)
    } else {
      if (pulse === 'ping') this.mailbox.reply(pingLine)
      this.subscriptions.endExpired(nowMs)
      this.#adjustReading()
    }
  }

  /** Answers what is under way, takes no more, then ends with `shutdown`. */
  drain(): void {
    this.#draining = true
    this.#afterCommands()
  }

  /** The transport is gone. */
  lost(by: OtherEnd): void {
    this.mailbox.disconnect()
    this.#close(by)
  }

  end(disconnect: Disconnect): void {
    if (this.closed) return
    this.mailbox.finish()
    this.#reading.goOn()
    this.#transport.close(disconnect)
    this.#close(disconnect.code)
  }

  disconnect(code: number, reason: string): void {
    this.end({ code, reason: fitReason(reason) })
  }

  unsubscribe(channel: string, code: number, reason: string): void {
    const subscription = this.subscriptions.get(channel)
    if (subscription) this.subscriptions.endSubscription(subscription, code, reason)
  }

  async subscribe(channel: string, options: Parameters<SessionHandle['subscribe']>[1]): Promise<void> {
    await subscribeFromServer(this, channel, options)
  }

  refresh({ expireAt, expired }: { expireAt?: number; expired?: boolean }): void {
    if (expired) this.end(disconnects.connectionExpired)
    else this.expiresAtMs = steadyExpiry(expireAt)
  }

  tell(line: string): void {
    this.mailbox.reply(line)
  }

  identify(credentials: Credentials): boolean {
    if (this.closed) return false
    if (!this.parts.userConnections.enter(credentials.user)) {
      this.parts.counts.limited.add('user_connections')
      this.end(disconnects.connectionLimit)
      return false
    }
    this.#counted = true
    this.#canary = credentials.canary ?? false
    this.traced = credentials.traced
    const connInfo = credentials.info === undefined ? {} : { connInfo: credentials.info }
    this.info = { user: credentials.user, client: this.client, ...connInfo }
    this.expiresAtMs = steadyExpiry(credentials.expireAt)
    return true
  }

  #accept(command: Command): void {
    const state = this.#state
    switch (state.kind) {
      case 'closed':
        return
      case 'opened':
        if (command.kind === 'connect') this.#connect(command, state.staleAtMs)
        else this.#endBad('expected connect first')
        return
      case 'connecting':
        if (isPerformable(command)) state.waiting.push(command)
        else this.#endBad('expected an answer to connect first')
        return
      case 'refused':
        this.#endBad('connect was refused')
        return
      case 'connected':
        if (isPerformable(command)) void this.#commands.perform(command)
        else if (command.kind === 'send') this.end(disconnects.notAvailable)
        else if (command.kind === 'connect') this.#endBad('connected already')
        else if (!state.heartbeat.pong()) this.#endBad('an answer to no ping')
        return
      default:
        state satisfies never
    }
  }

  /** What the client sent behind its connect command starts when the connection stands. */
  #connect(command: ConnectCommand, staleAtMs: number): void {
    const waiting: Performable[] = []
    this.#state = { kind: 'connecting', staleAtMs, waiting }
    const pending = this.#replies.open(command.id)
    connect(this, command, pending).then(
      () => {
        for (const each of waiting) void this.#commands.perform(each)
      },
      (error: unknown) => this.#refuseConnect(asHoldfastError(error), pending, staleAtMs),
    )
  }

  /** @see SessionContext.becomeConnected */
  becomeConnected(): void {
    if (this.closed) return
    this.#state = { kind: 'connected', heartbeat: new Heartbeat(this.parts.config.limits, steadyNow()) }
    this.handshake = noOpening
    this.parts.registry.add(this, this.#canary)
    if (!this.#canary) this.parts.counts.connects++
  }

  #refuseConnect(error: HoldfastError, pending: Pending, staleAtMs: number): void {
    if (this.closed) return
    this.subscriptions.closeAll()
    this.#commands.log(error, 'connect')
    const disconnect = error.code === 'NOT_AUTHENTICATED' ? disconnects.badRequest : disconnectFor(error)
    if (disconnect) {
      this.end(disconnect)
      return
    }
    this.#state = { kind: 'refused', staleAtMs }
    const told = wireError(error)
    this.parts.counts.error(told.code)
    pending.finish(errorReply(pending.id, told))
  }

  #afterCommands(): void {
    if (this.#draining && this.#replies.size === 0) this.end(disconnects.shutdown)
    else this.#adjustReading()
  }

  /** Of answers that the client has not taken, or that wait for their turn. */
  get #replyBytes(): number {
    return this.mailbox.replyBytes + this.#replies.heldCharacters
  }

  #adjustReading(): void {
    const state = this.#state
    const waiting = state.kind === 'connecting' ? state.waiting.length : 0
    this.#reading.adjust({ commands: this.#replies.size + waiting, replyBytes: this.#replyBytes })
    this.reads.look()
  }

  #endBad(detail: string): void {
    this.end(withDetail(disconnects.badRequest, detail))
  }

  #endSlow(): void {
    if (!this.closed) this.parts.counts.slowConsumers++
    this.end(disconnects.slow)
  }

  #close(by: number | OtherEnd): void {
    if (this.closed) return
    this.#state = { kind: 'closed' }
    if (!this.#canary) this.parts.counts.end(by)
    if (this.#counted) this.parts.userConnections.leave(this.user)
    this.#replies.close()
    this.parts.registry.remove(this)
    this.parts.tiers.forget(this)
    this.subscriptions.closeAll()
  }
}
