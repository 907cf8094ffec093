import { type Action, type ChannelPattern, channelPattern, HoldfastError } from '../domain/index.ts'
import type { AuthorizeHook, Hooks, PublishCall, RpcCall } from '../gateway/index.ts'

interface Matched<F> {
  readonly pattern: ChannelPattern
  readonly hook: F
}

/**
 * The application's own functions, registered before or after the node listens. The first pattern that matches a
 * channel decides; registering a pattern twice is a mistake and refused, because one of the two would never run.
 */
export class HookRegistry implements Hooks {
  readonly #rpc = new Map<string, (call: RpcCall) => unknown>()
  readonly #publish: Matched<(call: PublishCall) => unknown>[] = []
  readonly #authorize: Matched<AuthorizeHook>[] = []

  addRpc(method: string, hook: (call: RpcCall) => unknown): void {
    if (method.startsWith('holdfast.')) {
      throw new HoldfastError('CONFIG_INVALID', `rpc ${method}: names under holdfast. are the server's own`)
    }
    if (this.#rpc.has(method)) throw twice(`rpc ${method}`)
    this.#rpc.set(method, hook)
  }

  addPublish(source: string, hook: (call: PublishCall) => unknown): void {
    add(this.#publish, source, hook, 'onPublish')
  }

  addAuthorize(source: string, hook: AuthorizeHook): void {
    add(this.#authorize, source, hook, 'authorize')
  }

  rpc(method: string): ((call: RpcCall) => unknown) | undefined {
    return this.#rpc.get(method)
  }

  onPublish(channel: string): ((call: PublishCall) => unknown) | undefined {
    const found = find(this.#publish, channel)
    return found && (call => found.hook({ ...call, params: found.params }))
  }

  authorize(channel: string): { hook: AuthorizeHook; params: Record<string, string> } | undefined {
    return find(this.#authorize, channel)
  }
}

function add<F>(list: Matched<F>[], source: string, hook: F, what: string): void {
  if (list.some(each => each.pattern.source === source)) throw twice(`${what} ${source}`)
  list.push({ pattern: channelPattern(source), hook })
}

function find<F>(
  list: readonly Matched<F>[],
  channel: string,
): { hook: F; params: Record<string, string> } | undefined {
  for (const { pattern, hook } of list) {
    const params = pattern.match(channel)
    if (params) return { hook, params }
  }
  return undefined
}

function twice(what: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `${what} is registered twice; expected one hook for it`)
}

export type { Action }
