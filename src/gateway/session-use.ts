/** What the connections of one user take up on this node. */
export interface SessionUse {
  /** The empty string: all that are anonymous. */
  readonly user: string
  readonly connections: number
  readonly subscriptions: number
  /** Bytes that wait for their sockets. */
  readonly mailboxBytes: number
}

interface UsingSession {
  readonly user: string
  readonly mailbox: { readonly replyBytes: number; readonly pushBytes: number }
  readonly subscriptions: { readonly size: number }
}

/** Those for whom most waits, then those with most connections. Looks at every session: for somebody who asks now and then. */
export function largestUses(sessions: Iterable<UsingSession>, most: number): readonly SessionUse[] {
  const uses = new Map<string, { connections: number; subscriptions: number; mailboxBytes: number }>()
  for (const { user, mailbox, subscriptions } of sessions) {
    const use = uses.get(user) ?? { connections: 0, subscriptions: 0, mailboxBytes: 0 }
    use.connections++
    use.subscriptions += subscriptions.size
    use.mailboxBytes += mailbox.replyBytes + mailbox.pushBytes
    uses.set(user, use)
  }
  return [...uses]
    .map(([user, use]) => ({ user, ...use }))
    .sort((a, b) => b.mailboxBytes - a.mailboxBytes || b.connections - a.connections)
    .slice(0, most)
}
