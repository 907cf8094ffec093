import type { DeliveredEvent } from '../deliverer.ts'

/** The body of a request and the headers that describe it. */
export interface EventMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface CloudEventOptions {
  readonly contentMode: 'structured' | 'binary'
  /** Together with the event's id it is unique for ever. */
  readonly source: string
}

/** Enough for every offset, so that the texts sort as the numbers do, which the extension `sequence` demands. */
const sequenceDigits = 16

/**
 * An event as CloudEvents 1.0 says it over HTTP. The application's JSON stands in it byte for byte. Who appended it is
 * not sent: that is between the application and its users.
 */
export function cloudEvent(event: DeliveredEvent, options: CloudEventOptions): EventMessage {
  const attributes = {
    specversion: '1.0',
    id: event.id,
    source: options.source,
    type: event.type,
    subject: event.channel,
    time: new Date(event.time).toISOString(),
    sequence: String(event.offset).padStart(sequenceDigits, '0'),
    epoch: event.epoch,
  }
  if (options.contentMode === 'structured') {
    const head = JSON.stringify({ ...attributes, datacontenttype: 'application/json' })
    return {
      headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
      body: `${head.slice(0, -1)},"data":${event.data}}`,
    }
  }
  const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, headerText(value)])
  return {
    headers: { 'content-type': 'application/json', ...Object.fromEntries(headers) },
    body: event.data,
  }
}

/** The percent-encoding of the HTTP binding, section 3.1.3.2: space, `"`, `%` and all beyond printable ASCII. */
function headerText(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, character =>
    [...Buffer.from(character)].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
