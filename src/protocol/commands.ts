import { HoldfastError } from '../domain/index.ts'
import { FieldReader, isFields } from './fields.ts'
import { sliceAt } from './json-slice.ts'

/** Where a client asks to continue from. An empty epoch matches any. */
export interface Since {
  readonly offset: number
  readonly epoch: string
}

interface Numbered {
  /** Chosen by the client, echoed in the reply; 0 only for `send`. */
  readonly id: number
}

export interface ConnectCommand extends Numbered {
  readonly kind: 'connect'
  readonly token: string
  /** JSON text. */
  readonly data: string | undefined
  readonly name: string
  readonly version: string
  /** Headers that a browser could not set on the handshake itself. */
  readonly headers: Readonly<Record<string, string>>
  /** Server-side subscriptions that the client wants to recover. */
  readonly recover: ReadonlyMap<string, Since>
}

export interface SubscribeCommand extends Numbered {
  readonly kind: 'subscribe'
  readonly channel: string
  readonly token: string
  readonly recover: Since | undefined
  readonly positioned: boolean
  /** The client would like to recover later. */
  readonly recoverable: boolean
  /** The client wants error 112 instead of a subscription whose past is lost. */
  readonly rejectUnrecovered: boolean
  /** Set where the command asks for something that is not served: a filter (107) or another kind of subscription (108). */
  readonly unsupported: 'filter' | 'type' | undefined
}

export interface ChannelCommand extends Numbered {
  readonly kind: 'unsubscribe' | 'presence' | 'presence_stats'
  readonly channel: string
}

export interface PublishCommand extends Numbered {
  readonly kind: 'publish'
  readonly channel: string
  /** JSON text, untouched. */
  readonly data: string
}

export interface HistoryCommand extends Numbered {
  readonly kind: 'history'
  readonly channel: string
  /** 0: the position only; below 0: as many as the server gives. */
  readonly limit: number
  readonly since: Since | undefined
  readonly reverse: boolean
}

export interface RpcCommand extends Numbered {
  readonly kind: 'rpc'
  readonly method: string
  /** JSON text, untouched; undefined where the client sent none. */
  readonly data: string | undefined
}

export interface RefreshCommand extends Numbered {
  readonly kind: 'refresh'
  readonly token: string
}

export interface SubRefreshCommand extends Numbered {
  readonly kind: 'sub_refresh'
  readonly channel: string
  readonly token: string
}

export type Command =
  | { readonly kind: 'pong' }
  | { readonly kind: 'send'; readonly id: number }
  | ConnectCommand
  | SubscribeCommand
  | ChannelCommand
  | PublishCommand
  | HistoryCommand
  | RpcCommand
  | RefreshCommand
  | SubRefreshCommand

/** In the order in which the protocol looks for them. */
const methods = [
  'connect',
  'subscribe',
  'unsubscribe',
  'publish',
  'presence',
  'presence_stats',
  'history',
  'rpc',
  'send',
  'refresh',
  'sub_refresh',
] as const
type Method = (typeof methods)[number]

const maxId = 2 ** 32 - 1
const rejectUnrecoveredBit = 2

const refuse = (detail: string) => new HoldfastError('FRAME_INVALID', detail)

/**
 * The commands of one text frame: JSON objects, one a line, the last line may end in a newline. A frame with a
 * mistake anywhere is refused whole, so that nothing of it has happened when the connection is closed.
 * @throws HoldfastError FRAME_INVALID (disconnect 3501)
 */
export function parseFrame(text: string): Command[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0) throw refuse('the frame is empty')
  return lines.map(parseCommand)
}

function parseCommand(line: string): Command {
  const parsed = parseJson(line)
  if (!isFields(parsed)) throw refuse('expected a command to be a JSON object')
  const fields = new FieldReader(parsed, refuse)
  const id = fields.integer('id', 0, maxId)
  const method = methods.find(name => fields.has(name))
  if (method === undefined) {
    if (id === 0 && Object.keys(parsed).length === 0) return { kind: 'pong' }
    throw refuse('the command has no known method')
  }
  if (id === 0 && method !== 'send') throw refuse('the command has no id')
  const body = fields.inside(method)
  if (!body) throw refuse(`expected ${method} to be an object`)
  return readers[method](id, body, line)
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw refuse('broken JSON')
  }
}

const readers: Record<Method, (id: number, body: FieldReader, line: string) => Command> = {
  connect: readConnect,
  subscribe: readSubscribe,
  unsubscribe: (id, body) => ({ kind: 'unsubscribe', id, channel: body.requiredText('channel') }),
  publish: readPublish,
  presence: (id, body) => ({ kind: 'presence', id, channel: body.requiredText('channel') }),
  presence_stats: (id, body) => ({ kind: 'presence_stats', id, channel: body.requiredText('channel') }),
  history: readHistory,
  rpc: (id, body, line) => ({ kind: 'rpc', id, method: body.text('method'), data: dataOf(line, 'rpc') }),
  send: id => ({ kind: 'send', id }),
  refresh: (id, body) => ({ kind: 'refresh', id, token: body.text('token') }),
  sub_refresh: (id, body) => ({
    kind: 'sub_refresh',
    id,
    channel: body.requiredText('channel'),
    token: body.text('token'),
  }),
}

/** JSON text of a method's data; an explicit `null` is data too. */
function dataOf(line: string, method: string): string | undefined {
  return sliceAt(line, [method, 'data'])
}

function readConnect(id: number, body: FieldReader, line: string): ConnectCommand {
  const recover = new Map<string, Since>()
  for (const [channel, sub] of body.members('subs')) {
    if (sub.flag('recover')) recover.set(channel, readSince(sub))
  }
  const headers = Object.entries(body.object('headers') ?? {}).map(([name, value]) => {
    if (typeof value !== 'string') throw refuse(`expected the header ${name} to be a string`)
    return [name.toLowerCase(), value] as const
  })
  return {
    kind: 'connect',
    id,
    token: body.text('token'),
    data: dataOf(line, 'connect'),
    name: body.text('name').slice(0, 16),
    version: body.text('version').slice(0, 64),
    headers: Object.fromEntries(headers),
    recover,
  }
}

function readPublish(id: number, body: FieldReader, line: string): PublishCommand {
  const data = dataOf(line, 'publish')
  if (data === undefined) throw refuse('data is missing')
  return { kind: 'publish', id, channel: body.requiredText('channel'), data }
}

function readSubscribe(id: number, body: FieldReader): SubscribeCommand {
  const delta = body.text('delta')
  if (delta !== '' && delta !== 'fossil') throw refuse('unknown delta type')
  return {
    kind: 'subscribe',
    id,
    channel: body.requiredText('channel'),
    token: body.text('token'),
    recover: body.flag('recover') ? readSince(body) : undefined,
    positioned: body.flag('positioned'),
    recoverable: body.flag('recoverable'),
    rejectUnrecovered: (body.integer('flag', 0) & rejectUnrecoveredBit) !== 0,
    unsupported: body.has('tf') ? 'filter' : body.integer('type', 0) === 0 ? undefined : 'type',
  }
}

function readHistory(id: number, body: FieldReader): HistoryCommand {
  const since = body.inside('since')
  return {
    kind: 'history',
    id,
    channel: body.requiredText('channel'),
    limit: body.integer('limit', -(2 ** 31), 2 ** 31 - 1),
    since: since && readSince(since),
    reverse: body.flag('reverse'),
  }
}

function readSince(fields: FieldReader): Since {
  return { offset: fields.integer('offset', 0), epoch: fields.text('epoch') }
}
