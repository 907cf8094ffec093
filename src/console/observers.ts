import { type Action, HoldfastError } from '../domain/index.ts'
import type { Authenticator, Credentials, Hooks, Permissions } from '../gateway/index.ts'
import type { ConsoleAccess } from './access.ts'
import { RecentKeys } from './recent-keys.ts'

/** Users that hold a console token, on sockets; nobody else may be called so. */
const userPrefix = 'console:'

export function isObserver(user: string): boolean {
  return user.startsWith(userPrefix)
}

/** What observers may do. */
const allowed: readonly Action[] = ['subscribe', 'history', 'presence']

export interface ObserverParts {
  readonly access: Pick<ConsoleAccess, 'visitorOf'>
  /** The console has a listener of its own: nobody observes by another. */
  readonly ownListener: boolean
  /** Told once of each channel that an observer looks into. */
  readonly onTail: (user: string, channel: string) => void
}

/**
 * Holders of console tokens connect like any client and look into every channel, unseen: they are in no presence, and
 * can change nothing.
 */
export class Observers {
  readonly #access: ObserverParts['access']
  readonly #ownListener: boolean
  readonly #onTail: ObserverParts['onTail']
  /** A resubscribe after a lost connection, and each page of a past, are no new acts. */
  readonly #told = new RecentKeys(10_000)

  constructor({ access, ownListener, onTail }: ObserverParts) {
    this.#access = access
    this.#ownListener = ownListener
    this.#onTail = onTail
  }

  /** Knows console tokens, and leaves all others to `inner`, which may make nobody an observer. */
  authenticator(inner: Authenticator): Authenticator {
    const observerOf = (token: string): Credentials | undefined => {
      const visitor = this.#access.visitorOf(token)
      return visitor && { user: `${userPrefix}${visitor.name}`, subscriptions: new Map() }
    }
    return {
      ...inner,
      connect: async handshake => {
        const mayObserve = !this.#ownListener || handshake.byConsole === true
        const observer = mayObserve ? observerOf(handshake.token) : undefined
        return observer ?? noObserver(await inner.connect(handshake))
      },
      refresh: async (token, user) => {
        // Who is none has come by a door where their tokens may say nothing, not even that they are some.
        if (!isObserver(user)) return noObserver(await inner.refresh(token, user))
        const observer = observerOf(token)
        if (observer?.user === user) return observer
        throw new HoldfastError('TOKEN_INVALID', 'the token belongs to another user than the connection')
      },
    }
  }

  permissions(inner: Permissions): Permissions {
    return {
      check: async (action, channel, who, token) => {
        if (!isObserver(who.user)) return inner.check(action, channel, who, token)
        if (!allowed.includes(action)) throw refused(action)
        if (action !== 'presence' && this.#told.add(`${who.client} ${channel}`))
          this.#onTail(who.user, channel)
        return { unseen: true }
      },
      checkCommand: (channel, who) => {
        if (isObserver(who.user)) throw refused('command')
        return inner.checkCommand(channel, who)
      },
    }
  }

  hooks(inner: Hooks): Hooks {
    return {
      onPublish: channel => inner.onPublish(channel),
      rpc: method => {
        const hook = inner.rpc(method)
        return (
          hook &&
          (call => {
            if (isObserver(call.user)) throw refused('rpc')
            return hook(call)
          })
        )
      },
    }
  }
}

function noObserver(credentials: Credentials): Credentials {
  if (!isObserver(credentials.user)) return credentials
  throw new HoldfastError('TOKEN_INVALID', `users called ${userPrefix}… are holders of console tokens`)
}

function refused(action: string): HoldfastError {
  const told = `a console token lets nobody ${action}`
  return new HoldfastError('NOT_PERMITTED', told, { details: { told } })
}
