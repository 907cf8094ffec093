/** The one caller of this room's Lua: each script as a typed function, its return codes as words. */
import { readFileSync } from 'node:fs'
import type { ClientInfo, Position } from '../domain/index.ts'
import type { RedisConnection } from '../platform/index.ts'
import { ClusterPublishing } from './cluster-publishing.ts'
import type { HistoryKeys, PresenceKeys } from './keys.ts'

const files = [
  'publish-batch-0',
  'publish-once-1',
  'append-history-3',
  'read-history-2',
  'skip-offset-1',
  'enter-presence-3',
  'leave-presence-3',
  'read-presence-3',
] as const
type ScriptName = (typeof files)[number]
type Argument = string | number
type Caller = Record<string, (...args: Argument[]) => Promise<unknown>>

export interface Append {
  readonly keys: HistoryKeys
  /** Where its outcome is remembered under an idempotency key. */
  readonly memoryKey?: string
  readonly memoryMs: number
  readonly notAfter: number
  /** The present run of the server; '?': the script asks, '': not known. A numbering lasts no longer than a run. */
  readonly run: string
  /** The name that a new life of the numbering gets. */
  readonly newEpoch: string
  readonly size: number
  readonly ttlMs: number
  readonly metaTtlMs: number
  readonly busChannel: string
  readonly message: { readonly head: string; readonly tail: string }
  readonly publication: { readonly head: string; readonly tail: string }
}

/** `late`: the call came after its deadline and has changed nothing. */
export type AppendOutcome =
  | { readonly kind: 'stored' | 'known'; readonly clock: number; readonly place: Position }
  | { readonly kind: 'late'; readonly clock: number }

export interface HistoryRead {
  readonly keys: HistoryKeys
  readonly run: string
  readonly newEpoch: string
  readonly metaTtlMs: number
  readonly reverse: boolean
  /** Exclusive. */
  readonly since?: number
  readonly limit: number
}

export interface HistorySlice {
  readonly head: Position
  readonly entries: readonly { readonly offset: number; readonly publication: string }[]
}

export class Scripts {
  readonly #connection: RedisConnection
  readonly #caller: Caller
  readonly #publishing: ClusterPublishing | undefined

  constructor(connection: RedisConnection) {
    const { client, cluster } = connection
    this.#connection = connection
    this.#caller = client as unknown as Caller
    this.#publishing = cluster && new ClusterPublishing(cluster, read('publish-shards-0'))
    for (const name of files) {
      const lua = cluster ? read(name).replaceAll("'PUBLISH'", "'SPUBLISH'") : read(name)
      client.defineCommand(name, { lua, numberOfKeys: Number(name.slice(-1)) })
    }
  }

  /** Publishes pairs of bus channel and message, all or (past `notAfter`) nothing; on a Cluster node by node. */
  async publishBatch(notAfter: number, pairs: readonly string[]): Promise<{ clock: number; late: boolean }> {
    if (this.#publishing) return this.#publishing.publish(notAfter, pairs)
    const clock = Number(await this.#call('publish-batch-0', [notAfter, ...pairs]))
    return { clock: Math.abs(clock), late: clock < 0 }
  }

  async publishOnce(call: {
    memoryKey: string
    memoryMs: number
    notAfter: number
    busChannel: string
    message: string
  }): Promise<{ clock: number; kind: 'published' | 'known' | 'late' }> {
    const { memoryKey, notAfter, memoryMs, busChannel, message } = call
    const reply = await this.#call('publish-once-1', [memoryKey, notAfter, memoryMs, busChannel, message])
    const [clock, kind] = reply as [number, 'published' | 'known' | 'late']
    return { clock, kind }
  }

  /** One write to the socket for all; each has its own outcome. */
  async appendAll(appends: readonly Append[]): Promise<(AppendOutcome | Error)[]> {
    const replies = await this.#callAll('append-history-3', appends.map(appendArguments))
    return replies.map(reply => {
      if (reply instanceof Error) return reply
      const [clock, kind, offset, epoch] = reply as [number, AppendOutcome['kind'], number, string]
      return kind === 'late' ? { kind, clock } : { kind, clock, place: { epoch, offset } }
    })
  }

  /** Leaves a place empty in each numbering, if there is one; each has its own outcome. */
  async skipOffsets(
    skips: readonly { keys: HistoryKeys; metaTtlMs: number; busChannel: string; messageHead: string }[],
    notAfter: number,
  ): Promise<('done' | 'late' | Error)[]> {
    const replies = await this.#callAll(
      'skip-offset-1',
      skips.map(({ keys, metaTtlMs, busChannel, messageHead }) => [
        keys.meta,
        notAfter,
        metaTtlMs,
        busChannel,
        messageHead,
      ]),
    )
    return replies.map(reply => {
      if (reply instanceof Error) return reply
      return (reply as [number, string])[1] === 'late' ? 'late' : 'done'
    })
  }

  /** Each has its own outcome. @throws the first error where none could be read */
  async readHistories(reads: readonly HistoryRead[]): Promise<(HistorySlice | Error)[]> {
    const replies = await this.#callAll(
      'read-history-2',
      reads.map(({ keys, newEpoch, metaTtlMs, reverse, since, limit, run }) => [
        keys.history,
        keys.meta,
        newEpoch,
        metaTtlMs,
        reverse ? 'reverse' : 'forward',
        since ?? -1,
        limit,
        run,
      ]),
    )
    const refusal = replies.find(reply => reply instanceof Error)
    if (refusal && replies.every(reply => reply instanceof Error)) throw refusal
    return replies.map(reply => {
      if (reply instanceof Error) return reply
      const [epoch, offset, entries] = reply as [string, number, [string, [string, string]][]]
      return {
        head: { epoch, offset },
        entries: entries.map(([id, [, publication]]) => ({ offset: Number.parseInt(id, 10), publication })),
      }
    })
  }

  /** Past `notAfter` nothing is done. */
  async enterPresence(
    calls: readonly { keys: PresenceKeys; infos: readonly ClientInfo[] }[],
    ttlMs: number,
    notAfter: number,
  ): Promise<'done' | 'late'> {
    const all = calls.map(({ keys, infos }) => [
      ...presenceKeys(keys),
      notAfter,
      ttlMs,
      ...infos.flatMap(({ client, user, connInfo = null, chanInfo = null }) => [
        client,
        JSON.stringify(user),
        JSON.stringify([connInfo, chanInfo]),
      ]),
    ])
    return allDone(await this.#callAll('enter-presence-3', all))
  }

  /** Past `notAfter` nothing is done. */
  async leavePresence(
    calls: readonly { keys: PresenceKeys; clients: readonly string[] }[],
    notAfter: number,
  ): Promise<'done' | 'late'> {
    const all = calls.map(({ keys, clients }) => [...presenceKeys(keys), notAfter, ...clients])
    return allDone(await this.#callAll('leave-presence-3', all))
  }

  /** Client to `<user>\n<infos>`, both JSON. */
  async listPresence(keys: PresenceKeys): Promise<Map<string, string>> {
    const flat = (await this.#call('read-presence-3', [...presenceKeys(keys), 'list'])) as string[]
    const list = new Map<string, string>()
    for (let i = 0; i + 1 < flat.length; i += 2) list.set(flat[i] ?? '', flat[i + 1] ?? '')
    return list
  }

  async countPresence(keys: PresenceKeys): Promise<{ clients: number; users: number }> {
    const reply = await this.#call('read-presence-3', [...presenceKeys(keys), 'count'])
    const [clients, users] = reply as [number, number]
    return { clients, users }
  }

  #call(name: ScriptName, args: readonly Argument[]): Promise<unknown> {
    return this.#caller[name]?.(...args) ?? Promise.reject(new Error(`no script ${name}`))
  }

  async #callAll(name: ScriptName, calls: readonly (readonly Argument[])[]): Promise<unknown[]> {
    const only = calls[0]
    if (only && calls.length === 1) return [await this.#call(name, only)]
    const replies = await (this.#connection.cluster ? this.#callEach(name, calls) : this.#pipe(name, calls))
    // Where no answer came to one of them, nothing is known of it; an answer that is an error is an outcome.
    for (const reply of replies) if (reply instanceof Error && reply.name !== 'ReplyError') throw reply
    return replies
  }

  async #pipe(name: ScriptName, calls: readonly (readonly Argument[])[]): Promise<unknown[]> {
    const pipeline = this.#connection.client.pipeline()
    const caller = pipeline as unknown as Caller
    for (const args of calls) void caller[name]?.(...args)
    const replies = (await pipeline.exec()) ?? []
    return replies.map(([error, value]) => error ?? value)
  }

  /** A pipeline of ioredis would have to stay in one slot. */
  #callEach(name: ScriptName, calls: readonly (readonly Argument[])[]): Promise<unknown[]> {
    return this.#connection.inOneWrite(() =>
      Promise.all(calls.map(args => this.#call(name, args).catch((error: unknown) => error))),
    )
  }
}

function read(script: string): string {
  return readFileSync(new URL(`scripts/${script}.lua`, import.meta.url), 'utf8')
}

function appendArguments(append: Append): Argument[] {
  const { keys, message, publication } = append
  return [
    keys.history,
    keys.meta,
    append.memoryKey ?? keys.meta,
    append.notAfter,
    append.newEpoch,
    append.size,
    append.ttlMs,
    append.metaTtlMs,
    append.memoryKey === undefined ? 0 : append.memoryMs,
    append.busChannel,
    message.head,
    message.tail,
    publication.head,
    publication.tail,
    append.run,
  ]
}

function presenceKeys(keys: PresenceKeys): Argument[] {
  return [keys.who, keys.until, keys.users]
}

function allDone(replies: readonly unknown[]): 'done' | 'late' {
  for (const reply of replies) if (reply instanceof Error) throw reply
  return replies.every(reply => (reply as [number, string])[1] === 'done') ? 'done' : 'late'
}
