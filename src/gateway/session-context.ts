import type { ClientInfo } from '../domain/index.ts'
import type { Disconnect } from '../protocol/index.ts'
import type { ChannelOrder } from './channel-order.ts'
import type { GatewayParts } from './parts.ts'
import type { ReadTurns } from './read-turns.ts'
import type { SessionSubscriptions } from './session-subscriptions.ts'
import type { Credentials } from './types.ts'

/** What the request that opens a connection says of the client. Names of headers are lower case. */
export interface Opening {
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  /** It has come in by the console's own listener. */
  readonly byConsole?: boolean
}

/** A session as the commands see it. */
export interface SessionContext {
  readonly parts: GatewayParts
  readonly client: string
  readonly user: string
  /** Of a canary: where everything that it says is traced. */
  readonly traced: ReadonlySet<string> | undefined
  /** What came with the request that opened the connection; empty once it is connected. */
  readonly handshake: Opening
  readonly closed: boolean
  readonly subscriptions: SessionSubscriptions
  readonly order: ChannelOrder
  readonly reads: ReadTurns
  /** The client as others see it in this channel. */
  infoIn(channel: string): ClientInfo
  /** Sends a line beside the replies, ahead of all publications. */
  tell(line: string): void
  /** Says who the connection is, before it is connected. False: it has ended, perhaps because the user has too many. */
  identify(credentials: Credentials): boolean
  /** By the steady clock, when the connection has to be refreshed; undefined: never. */
  expiresAtMs: number | undefined
  /** The connect command has succeeded: commands are taken, pings begin. */
  becomeConnected(): void
  end(disconnect: Disconnect): void
}

/** Whole seconds from now, at least 1: a client must not refresh in a loop. */
export function secondsUntil(expireAt: number | undefined): number | undefined {
  return expireAt === undefined ? undefined : Math.max(1, Math.ceil(expireAt - Date.now() / 1000))
}
