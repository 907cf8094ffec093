/** The `holdfast.` methods that travel inside the protocol's `rpc` command. */
import { HoldfastError } from '../domain/index.ts'
import { FieldReader, isFields } from './fields.ts'
import { sliceAt } from './json-slice.ts'

/** What `holdfast.append` asks for. */
export interface AppendRequest {
  readonly channel: string
  readonly type: string
  /** JSON text, untouched. */
  readonly data: string
  readonly id?: string
  readonly expectedOffset?: number
  /** Where the client's own trace stands (W3C). */
  readonly traceparent?: string
}

/** What `holdfast.command` asks for. */
export interface CommandRequest {
  readonly channel: string
  readonly command: string
  /** A JSON value; undefined where there is none. */
  readonly input: unknown
  readonly id?: string
  /** As of an append. */
  readonly traceparent?: string
}

/** What `holdfast.signal` asks for. */
export interface SignalRequest {
  readonly channel: string
  /** Carried as the tag `type`, where recorded events have theirs. */
  readonly type?: string
  /** JSON text, untouched. */
  readonly data: string
  readonly to?: { readonly client: string } | { readonly user: string }
  /** The sender wants its own signal as well. */
  readonly echo: boolean
  /** As of an append. */
  readonly traceparent?: string
}

/** What `holdfast.cursor` asks for. */
export interface CursorRequest {
  readonly channel: string
  /** The cursor's name. */
  readonly cursor: string
  /** A channel token, for who is not subscribed. */
  readonly token?: string
}

/** What `holdfast.ack` asks for. */
export interface AckRequest extends CursorRequest {
  /** Everything up to here is done with. */
  readonly offset: number
  readonly epoch?: string
}

/** As long as an event's may be. */
const maxSignalType = 255

const refuse = (detail: string) => new HoldfastError('REQUEST_INVALID', detail)

/** @throws HoldfastError REQUEST_INVALID */
export function parseAppend(json: string | undefined): AppendRequest {
  const fields = readerOf(json)
  const id = fields.text('id')
  const expectedOffset = fields.optionalInteger('expectedOffset', 0)
  return {
    channel: fields.requiredText('channel'),
    type: fields.requiredText('type'),
    data: requiredData(json),
    ...(id === '' ? {} : { id }),
    ...(expectedOffset === undefined ? {} : { expectedOffset }),
    ...traceIn(fields),
  }
}

/** @throws HoldfastError REQUEST_INVALID */
export function parseCommand(json: string | undefined): CommandRequest {
  const fields = readerOf(json)
  const id = fields.text('id')
  const input = json === undefined ? undefined : sliceAt(json, ['input'])
  return {
    channel: fields.requiredText('channel'),
    command: fields.requiredText('command'),
    input: input === undefined ? undefined : JSON.parse(input),
    ...(id === '' ? {} : { id }),
    ...traceIn(fields),
  }
}

/** @throws HoldfastError REQUEST_INVALID */
export function parseSignal(json: string | undefined): SignalRequest {
  const fields = readerOf(json)
  const to = fields.inside('to')
  const type = fields.text('type')
  if (type.length > maxSignalType) throw refuse(`expected a type of at most ${maxSignalType} characters`)
  return {
    channel: fields.requiredText('channel'),
    ...(type === '' ? {} : { type }),
    data: requiredData(json),
    ...(to === undefined ? {} : { to: receiver(to) }),
    echo: fields.flag('echo'),
    ...traceIn(fields),
  }
}

/** @throws HoldfastError REQUEST_INVALID */
export function parseAck(json: string | undefined): AckRequest {
  const fields = readerOf(json)
  const offset = fields.optionalInteger('offset', 0)
  if (offset === undefined) throw refuse('offset is missing')
  const epoch = fields.text('epoch')
  if (!epochText.test(epoch)) throw refuse('expected epoch as the server gave it')
  return { ...cursorOf(fields), offset, ...(epoch === '' ? {} : { epoch }) }
}

/** @throws HoldfastError REQUEST_INVALID */
export function parseCursor(json: string | undefined): CursorRequest {
  return cursorOf(readerOf(json))
}

function cursorOf(fields: FieldReader): CursorRequest {
  const token = fields.text('token')
  return {
    channel: fields.requiredText('channel'),
    cursor: fields.requiredText('cursor'),
    ...(token === '' ? {} : { token }),
  }
}

/** Looser than ours are: it only has to go safely to the database, which knows the right one. */
const epochText = /^[\w.-]{0,64}$/

/** What is no `traceparent` is passed over where it is read: nobody's message is refused for it. */
function traceIn(fields: FieldReader): { traceparent?: string } {
  const traceparent = fields.textOrNothing('traceparent')
  return traceparent === undefined ? {} : { traceparent }
}

function receiver(to: FieldReader): { client: string } | { user: string } {
  if (to.has('client') === to.has('user')) throw refuse('expected to.client or to.user')
  return to.has('client') ? { client: to.requiredText('client') } : { user: to.requiredText('user') }
}

function readerOf(json: string | undefined): FieldReader {
  const parsed: unknown = json === undefined ? undefined : JSON.parse(json)
  if (!isFields(parsed)) throw refuse('expected data to be an object')
  return new FieldReader(parsed, refuse)
}

function requiredData(json: string | undefined): string {
  const data = json === undefined ? undefined : sliceAt(json, ['data'])
  if (data === undefined) throw refuse('data is missing')
  return data
}
