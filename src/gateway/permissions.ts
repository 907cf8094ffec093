import {
  type Action,
  checkChannel,
  type Grantee,
  HoldfastError,
  isPrivate,
  isSystemChannel,
  type NamespaceOptions,
  namespaceOf,
} from '../domain/index.ts'
import { type AuthorizeHook, askApplication } from './authorize-hook.ts'
import type { Authenticator, Permissions, Requester } from './types.ts'

export interface PermissionsOptions {
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>
  readonly insecure: boolean
  readonly authenticator: Pick<Authenticator, 'channel'>
  /** The application's hook for a channel, with the values of its pattern's parameters. */
  readonly authorize?: (
    channel: string,
  ) => { hook: AuthorizeHook; params: Readonly<Record<string, string>> } | undefined
  readonly hookTimeoutMs: number
}

/*
 * The decision, from the top; the first line that applies ends it.
 *
 *   the name is no channel name                                    CHANNEL_INVALID
 *   its namespace is not declared                                  CHANNEL_UNKNOWN
 *   append on a realtime channel; presence where it is off;
 *     history where none is kept                                   NOT_AVAILABLE
 *   publish or append in the system's own namespace                NOT_PERMITTED
 *   `insecure`                                                     granted
 *   user-limited name (`ns:#ann`, `dialog#ann,bob`), other user    NOT_PERMITTED
 *   a token came with it and is bad                                what the authenticator says
 *   private name (`$…`) and neither a token came with it (for
 *     subscribe) nor is the asker subscribed (for the others)      NOT_PERMITTED
 *   a hook of the application matches the channel, and it is not
 *     the system's own                                             granted or NOT_PERMITTED, as it says
 *   the `allow` list of the action has …
 *     `token`        and a good token came with it, or one was
 *                    given for the subscription that lives now     granted
 *     `client`       and the asker has a user, or `anonymous`
 *                    is listed too                                 granted
 *     `subscriber`   and the asker is subscribed now and has a
 *                    user, or `anonymous` is listed too            granted
 *     `anonymous`    and not `subscriber`                          granted, with or without user
 *   otherwise                                                      NOT_PERMITTED
 *
 * A command asks neither hook nor list: what its name takes away counts, and then the command's own `authorize`.
 *
 * So a private or user-limited name takes away and never grants, and `anonymous` beside `subscriber` opens the
 * channel to subscribers without user only: a longer list that reads stricter is stricter.
 */
export function createPermissions(options: PermissionsOptions): Permissions {
  const { authenticator, namespaces } = options
  return {
    async check(action, channel, who, token) {
      const namespace = optionsOf(namespaces, channel)
      checkAvailable(action, channel, namespace)
      const ofSystem = isSystemChannel(channel)
      if (ofSystem && (action === 'publish' || action === 'append')) throw denied(action, channel)
      if (options.insecure) return {}
      if (!namesUser(channel, who.user)) throw denied(action, channel)
      const presented = token
        ? await authenticator.channel(token, { ...identityOf(who), channel })
        : undefined
      const held = presented ?? (action === 'subscribe' ? undefined : who.grant(channel))
      if (isPrivate(channel) && !held && (action === 'subscribe' || !who.subscribed(channel))) {
        throw denied(action, channel)
      }
      const matched = ofSystem ? undefined : options.authorize?.(channel)
      if (matched) {
        const call = { ...identityOf(who), channel, action, params: matched.params }
        const answer = await askApplication(matched.hook, call, options.hookTimeoutMs)
        if (!answer) throw denied(action, channel)
        return { ...held, ...answer }
      }
      if (!isListed(namespace.allow[action], channel, who, held !== undefined)) throw denied(action, channel)
      return held ?? {}
    },
    checkCommand(channel, who) {
      const namespace = optionsOf(namespaces, channel)
      if (namespace.tier !== 'durable') {
        throw new HoldfastError('NOT_AVAILABLE', `commands are not available on ${channel}`)
      }
      if (isSystemChannel(channel)) throw denied('command', channel)
      if (options.insecure) return 'granted'
      const known = !isPrivate(channel) || who.grant(channel) !== undefined || who.subscribed(channel)
      if (!namesUser(channel, who.user) || !known) throw denied('command', channel)
      return 'ask'
    },
  }
}

/** @throws HoldfastError CHANNEL_INVALID, CHANNEL_UNKNOWN */
function optionsOf(namespaces: PermissionsOptions['namespaces'], channel: string): NamespaceOptions {
  const name = namespaceOf(checkChannel(channel))
  const found = Object.hasOwn(namespaces, name) ? namespaces[name] : undefined
  if (!found) {
    throw new HoldfastError('CHANNEL_UNKNOWN', `the namespace ${JSON.stringify(name)} is not declared`)
  }
  return found
}

function checkAvailable(action: Action, channel: string, namespace: NamespaceOptions): void {
  const durable = namespace.tier === 'durable'
  const missing =
    (action === 'append' && !durable) ||
    (action === 'presence' && !namespace.presence) ||
    (action === 'history' && !durable && namespace.history.size === 0)
  if (missing) throw new HoldfastError('NOT_AVAILABLE', `${action} is not available on ${channel}`)
}

/**
 * Whether a name with `#` is meant for this user; others are for everyone. What follows `ns:#` is one user's id,
 * commas and all, so that nobody named `bob` reads along with a user named `ann,bob`.
 */
function namesUser(channel: string, user: string): boolean {
  const hash = channel.indexOf('#')
  if (hash < 0) return true
  if (user === '') return false
  const users = channel.slice(hash + 1)
  const personal = channel[hash - 1] === ':' && channel.indexOf(':') === hash - 1
  return personal ? users === user : users.split(',').includes(user)
}

function isListed(list: readonly Grantee[], channel: string, who: Requester, granted: boolean): boolean {
  const anonymousToo = list.includes('anonymous')
  if (granted && list.includes('token')) return true
  if (anonymousToo && !list.includes('subscriber')) return true
  if (who.user === '' && !anonymousToo) return false
  return list.includes('client') || (list.includes('subscriber') && who.subscribed(channel))
}

function identityOf(who: Requester): { user: string; client: string } {
  return { user: who.user, client: who.client }
}

function denied(action: Action | 'command', channel: string): HoldfastError {
  return new HoldfastError('NOT_PERMITTED', `${action} on ${channel} is not permitted`)
}
