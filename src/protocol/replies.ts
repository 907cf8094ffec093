/**
 * Replies and pushes as lines of JSON. Fields that are false, 0, empty or absent are left out, as the protocol
 * asks, with the exception of `presence_stats`. Values called JSON text are embedded untouched.
 */
import type { Appended, ClientInfo, Position } from '../domain/index.ts'
import type { WireError } from './errors.ts'
import { encodeClientInfo } from './publication.ts'

/** What a client is told of its subscription, in a subscribe reply, a connect reply or a subscribe push. */
export interface SubscribeResult {
  readonly position?: Position | undefined
  readonly recoverable: boolean
  readonly positioned: boolean
  readonly wasRecovering: boolean
  readonly recovered: boolean
  /** Encoded publications. */
  readonly publications: readonly string[]
  /** JSON text. */
  readonly data?: string | undefined
  /** Seconds until the client has to refresh its channel token. */
  readonly ttl?: number | undefined
}

export interface ConnectResult {
  readonly client: string
  readonly version: string
  readonly ttl?: number | undefined
  readonly subs: ReadonlyMap<string, SubscribeResult>
  readonly pingSeconds: number
}

/** The server's ping, and the client's answer to it. */
export const pingLine = '{}'

export function connectReply(id: number, result: ConnectResult): string {
  const fields = [
    `"client":${JSON.stringify(result.client)}`,
    `"version":${JSON.stringify(result.version)}`,
    ...expiry(result.ttl),
    ...optional(result.subs.size > 0, () => `"subs":{${[...result.subs].map(encodeSub).join(',')}}`),
    `"ping":${result.pingSeconds}`,
    '"pong":true',
  ]
  return reply(id, 'connect', `{${fields.join(',')}}`)
}

function encodeSub([channel, result]: [string, SubscribeResult]): string {
  return `${JSON.stringify(channel)}:${encodeSubscribeResult(result)}`
}

export function subscribeReply(id: number, result: SubscribeResult): string {
  return reply(id, 'subscribe', encodeSubscribeResult(result))
}

function encodeSubscribeResult(result: SubscribeResult): string {
  const fields = [
    ...expiry(result.ttl),
    ...optional(result.recoverable, () => '"recoverable":true'),
    ...encodePosition(result.position),
    ...optional(result.publications.length > 0, () => `"publications":[${result.publications.join(',')}]`),
    ...optional(result.recovered, () => '"recovered":true'),
    ...optional(result.positioned, () => '"positioned":true'),
    ...optional(result.data !== undefined, () => `"data":${result.data}`),
    ...optional(result.wasRecovering, () => '"was_recovering":true'),
  ]
  return `{${fields.join(',')}}`
}

function encodePosition(position: Position | undefined): string[] {
  if (!position) return []
  return [
    ...optional(position.epoch !== '', () => `"epoch":${JSON.stringify(position.epoch)}`),
    ...optional(position.offset > 0, () => `"offset":${position.offset}`),
  ]
}

function expiry(ttl: number | undefined): string[] {
  return ttl === undefined ? [] : ['"expires":true', ...optional(ttl > 0, () => `"ttl":${ttl}`)]
}

function optional(present: boolean, field: () => string): string[] {
  return present ? [field()] : []
}

/** The reply of a method that returns nothing: publish and unsubscribe. */
export function emptyReply(id: number, method: 'publish' | 'unsubscribe'): string {
  return reply(id, method, '{}')
}

export function presenceReply(id: number, clients: ReadonlyMap<string, ClientInfo>): string {
  if (clients.size === 0) return reply(id, 'presence', '{}')
  const members = [...clients].map(([client, info]) => `${JSON.stringify(client)}:${encodeClientInfo(info)}`)
  return reply(id, 'presence', `{"presence":{${members.join(',')}}}`)
}

export function presenceStatsReply(id: number, stats: { clients: number; users: number }): string {
  return reply(id, 'presence_stats', `{"num_clients":${stats.clients},"num_users":${stats.users}}`)
}

/** A page of the past. `floor` is Holdfast's own: the last offset that retention has removed. */
export function historyReply(
  id: number,
  page: { publications: readonly string[]; offset: number; epoch: string; floor?: number },
): string {
  const fields = [
    ...optional(page.publications.length > 0, () => `"publications":[${page.publications.join(',')}]`),
    ...encodePosition(page),
    ...optional((page.floor ?? 0) > 0, () => `"floor":${page.floor}`),
  ]
  return reply(id, 'history', `{${fields.join(',')}}`)
}

/** `data` is JSON text. */
export function rpcReply(id: number, data: string | undefined): string {
  return reply(id, 'rpc', data === undefined ? '{}' : `{"data":${data}}`)
}

/** The data of a `holdfast.append` reply. */
export function encodeAppended(appended: Appended): string {
  const { offset, epoch, id, time, duplicate } = appended
  return JSON.stringify({ offset, epoch, id, time, duplicate })
}

export function refreshReply(id: number, method: 'refresh' | 'sub_refresh', ttl: number | undefined): string {
  return reply(id, method, `{${expiry(ttl).join(',')}}`)
}

export function errorReply(id: number, error: WireError): string {
  const temporary = error.temporary ? ',"temporary":true' : ''
  return `{"id":${id},"error":{"code":${error.code},"message":${JSON.stringify(error.message)}${temporary}}}`
}

function reply(id: number, method: string, result: string): string {
  return `{"id":${id},"${method}":${result}}`
}

/** A message that belongs to no channel. `data` is JSON text. */
export function pushMessage(data: string): string {
  return `{"push":{"message":{"data":${data}}}}`
}

/** Tells the client of a subscription that the server has made. */
export function pushSubscribe(channel: string, result: SubscribeResult): string {
  const fields = [
    ...optional(result.recoverable, () => '"recoverable":true'),
    ...encodePosition(result.position),
    ...optional(result.positioned, () => '"positioned":true'),
    ...optional(result.data !== undefined, () => `"data":${result.data}`),
  ]
  return `{"push":{"channel":${JSON.stringify(channel)},"subscribe":{${fields.join(',')}}}}`
}

/** Tells the client that the server has ended a subscription. */
export function pushUnsubscribe(channel: string, code: number, reason: string): string {
  const body = `{"code":${code},"reason":${JSON.stringify(reason)}}`
  return `{"push":{"channel":${JSON.stringify(channel)},"unsubscribe":${body}}}`
}
