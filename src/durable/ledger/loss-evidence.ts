/** A position with the event that is recorded there. */
export interface OwnPosition {
  readonly position: number
  readonly id: string
}

/** What was missed in a partition. */
export interface Missed {
  /** Where the ledger ended that had lost something, if that is known. */
  readonly head?: number
  /** An event that was recorded above it: where it stands at its position, nothing up to it is lost. */
  readonly witness?: OwnPosition
}

/** What the verdict that a ledger has lost events stands on. */
export interface Evidence {
  /** The start of the server that has answered. */
  readonly server: string
  /** Who or what has found it. */
  readonly found: string
  readonly partition?: number | undefined
  readonly channel?: string
  /** What the server had, as position of a partition or offset of a channel. */
  readonly head?: number | undefined
  /** What was known to be recorded. */
  readonly known?: number | undefined
}

/** What every error and log line about it says. */
export const lossAdvice =
  'the ledger has lost events that were recorded (an older copy was restored, or a standby that lagged was promoted): durable appends stop on all nodes until the right server is back or an operator runs `holdfast ledger new-epoch`'

/** In words, for operators. */
export function tellOf({ server, found, partition, channel, head, known }: Evidence): string {
  const where =
    channel !== undefined ? `channel ${channel}` : partition !== undefined ? `partition ${partition}` : ''
  const what = [
    where,
    known !== undefined && `recorded up to ${known}`,
    head !== undefined && `ends at ${head}`,
    `on the server started at ${startOf(server)}`,
    `found by ${found}`,
  ]
  return what.filter(Boolean).join(', ')
}

/** A server's name is the moment of its start. */
function startOf(server: string): string {
  const ms = Number(server) * 1_000
  return ms > 0 && ms < 8.64e15 ? new Date(ms).toISOString() : server
}
