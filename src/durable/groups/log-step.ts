import type { StoredEvent } from '../../domain/index.ts'
import type { Route, Routes } from './routes.ts'

/** What an ordered group does next with the events that it has read. */
export interface LogStep {
  readonly items: readonly { readonly event: StoredEvent; readonly route: Route }[]
  /** Of blocked channels: they become rows, and wait. */
  readonly waiting: readonly StoredEvent[]
  /** How many of the events it takes. */
  readonly used: number
  /** Where the checkpoint stands afterwards. */
  readonly to: number
}

export interface StepLimits {
  /** Events to be handled. */
  readonly items: number
  /** Events that may become rows. */
  readonly waiting: number
}

/**
 * Takes events in their order up to one that would be too many: those that no handler matches are passed over, those of
 * blocked channels wait, the others are handled.
 * @param through what was looked at, where all events are taken
 */
export function nextStep(
  events: readonly StoredEvent[],
  through: number,
  routes: Pick<Routes, 'match'>,
  blocked: { has(channel: string): boolean },
  limits: StepLimits,
): LogStep {
  const items: LogStep['items'][number][] = []
  const waiting: StoredEvent[] = []
  let used = 0
  for (const event of events) {
    const route = routes.match(event.channel, event.type)
    if (route) {
      const waits = blocked.has(event.channel)
      if (waits ? waiting.length >= limits.waiting : items.length >= limits.items) break
      if (waits) waiting.push(event)
      else items.push({ event, route })
    }
    used++
  }
  const next = events[used]
  return { items, waiting, used, to: next ? next.position - 1 : through }
}
