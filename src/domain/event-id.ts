import { v5, v7 } from 'uuid'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** A new event id: UUID version 7 (RFC 9562), so ids made later sort later and index pages stay warm. */
export function newEventId(): string {
  return v7()
}

/** The same id for the same foreign key for ever: UUID version 5 of `name` within `namespace` (a UUID). */
export function eventIdFrom(namespace: string, name: string): string {
  return v5(name, namespace)
}

/** The id in the form the ledger keeps (lower case), or undefined where it is no UUID. */
export function normalizeEventId(id: string): string | undefined {
  return uuid.test(id) ? id.toLowerCase() : undefined
}
