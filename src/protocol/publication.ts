import type { ClientInfo, Publication, StoredEvent } from '../domain/index.ts'

/** A client's info as the wire has it; empty fields are left out, infos are embedded as raw JSON. */
export function encodeClientInfo(info: ClientInfo): string {
  const user = info.user === '' ? '' : `"user":${JSON.stringify(info.user)},`
  const conn = info.connInfo === undefined ? '' : `,"conn_info":${info.connInfo}`
  const chan = info.chanInfo === undefined ? '' : `,"chan_info":${info.chanInfo}`
  return `{${user}"client":${JSON.stringify(info.client)}${conn}${chan}}`
}

/** A publication as it stands in pushes, history replies and recovered lists. */
export function encodePublication(pub: Publication): string {
  const info = pub.info ? `,"info":${encodeClientInfo(pub.info)}` : ''
  const offset = pub.offset ? `,"offset":${pub.offset}` : ''
  const tags = pub.tags ? `,"tags":${JSON.stringify(pub.tags)}` : ''
  const time = pub.time ? `,"time":${pub.time}` : ''
  return `{"data":${pub.data}${info}${offset}${tags}${time}}`
}

/**
 * A recorded event as a publication. The hot path (the mirror's entries) and the cold one (ledger rows) both
 * come through here, so a replay gives the same bytes wherever it is read from.
 */
export function encodeEvent(event: Omit<StoredEvent, 'position' | 'partition' | 'channel'>): string {
  const info = event.meta === null ? '' : `,"info":${event.meta}`
  const type = JSON.stringify(event.type)
  return `{"data":${event.data}${info},"offset":${event.offset},"tags":{"id":"${event.id}","type":${type}},"time":${event.time}}`
}

/** Wraps an encoded publication as the push that a subscriber gets. */
export function pushPublication(channel: string, publication: string): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"pub":${publication}}}`
}

/** The publication inside a line made by `pushPublication` for the same channel: a slice, nothing is parsed. */
export function publicationOf(channel: string, push: string): string {
  return push.slice(`{"push":{"channel":${JSON.stringify(channel)},"pub":`.length, -2)
}

export function pushJoin(channel: string, info: ClientInfo): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"join":{"info":${encodeClientInfo(info)}}}}`
}

export function pushLeave(channel: string, info: ClientInfo): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"leave":{"info":${encodeClientInfo(info)}}}}`
}
