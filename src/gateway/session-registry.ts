import type { SessionHandle, Sessions } from './types.ts'

/** The connected sessions of this node, by client and by user. */
export class SessionRegistry implements Sessions {
  readonly #byClient = new Map<string, SessionHandle>()
  readonly #byUser = new Map<string, Set<SessionHandle>>()

  /** Canaries are connected, and nobody's clients. */
  readonly hidden = new Set<SessionHandle>()

  get size(): number {
    return this.#byClient.size
  }

  get(client: string): SessionHandle | undefined {
    return this.#byClient.get(client)
  }

  /** A copy: the caller may end sessions while it goes through them. */
  ofUser(user: string): Iterable<SessionHandle> {
    return [...(this.#byUser.get(user) ?? [])]
  }

  userCount(): number {
    return this.#byUser.size
  }

  add(session: SessionHandle, hidden = false): void {
    if (hidden) {
      this.hidden.add(session)
      return
    }
    this.#byClient.set(session.client, session)
    const sessions = this.#byUser.get(session.user)
    if (sessions) sessions.add(session)
    else this.#byUser.set(session.user, new Set([session]))
  }

  /** Does nothing for a session that is not in it. */
  remove(session: SessionHandle): void {
    this.hidden.delete(session)
    if (!this.#byClient.delete(session.client)) return
    const sessions = this.#byUser.get(session.user)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#byUser.delete(session.user)
  }
}
