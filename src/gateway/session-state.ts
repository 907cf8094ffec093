import type { Command } from '../protocol/index.ts'
import type { Heartbeat } from './heartbeat.ts'

/** What a connected session can do for its client and answer. */
export type Performable = Exclude<Command, { kind: 'pong' | 'send' | 'connect' }>

/**
 *   opened ── connect ─► connecting ── reply ─► connected ─► closed
 *                            └─ error reply ─► refused ─────┘
 */
export type SessionState =
  | { readonly kind: 'opened'; readonly staleAtMs: number }
  | { readonly kind: 'connecting'; readonly staleAtMs: number; readonly waiting: Performable[] }
  | { readonly kind: 'refused'; readonly staleAtMs: number }
  | { readonly kind: 'connected'; readonly heartbeat: Heartbeat }
  | { readonly kind: 'closed' }

export function isPerformable(command: Command): command is Performable {
  return command.kind !== 'pong' && command.kind !== 'send' && command.kind !== 'connect'
}
