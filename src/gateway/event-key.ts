import { eventIdFrom, normalizeEventId } from '../domain/index.ts'

/** The name space of event ids made from idempotency keys. Another one would make old retries look new. */
const keyNamespace = '1c6a2c1e-6a0e-5b57-9f0c-7d9c3c6a9b1d'

/** The event id that an idempotency key stands for: a UUID is the id; other text gives one, different per channel. */
export function eventIdOfKey(channel: string, key: string): string {
  return normalizeEventId(key) ?? eventIdPerChannel(channel, key)
}

/** For one key over many channels: even where it is a UUID, each channel's event has an id of its own. */
export function eventIdPerChannel(channel: string, key: string): string {
  return eventIdFrom(keyNamespace, `${channel}\n${key}`)
}
