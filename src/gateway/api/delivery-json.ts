import type { Act, Delivery, EventStory, Inspection, Preview } from '../../durable/index.ts'

/** Operations' answers in the API's spelling. Times are milliseconds since 1970. */

export function deliveryJson(delivery: Delivery): Record<string, unknown> {
  const { eventId, eventType, ...rest } = delivery
  return { ...rest, event_id: eventId, event_type: eventType }
}

export function previewJson({ count, reasons, sample }: Preview): Record<string, unknown> {
  return { preview: true, count, reasons, sample: sample.map(deliveryJson) }
}

/** JSON text: the event's data is in it as it was recorded. */
export function inspectionJson({ delivery, event, behind, acts }: Inspection): string {
  const fields = [
    `"delivery":${JSON.stringify(deliveryJson(delivery))}`,
    ...(event
      ? [
          `"event":{"type":${JSON.stringify(event.type)},"time":${event.time},"data":${event.data},"info":${event.meta ?? 'null'}}`,
        ]
      : []),
    `"behind":${JSON.stringify({ count: behind.count, first: behind.first.map(deliveryJson) })}`,
    `"acts":${JSON.stringify(acts satisfies readonly Act[])}`,
  ]
  return `{${fields.join(',')}}`
}

export function storyJson({ eventId, ...story }: EventStory): Record<string, unknown> {
  return { event_id: eventId, ...story }
}
