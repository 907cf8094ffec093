import { channelAttributes, linked, spanAttributes, type Traced, untraced } from '../../tracing/index.ts'
import type { TurnItem } from './handler-call.ts'

/**
 * A transaction of a group, where one of its events is traced. A queue lies between: so it is a trace of its own, with links.
 */
export function turnSpan(group: string | undefined, items: readonly TurnItem[]): Traced | undefined {
  if (group === undefined) return undefined
  const traces = tracesOf(items)
  return (
    traces &&
    linked(`process group ${group}`, traces, { kind: 'consumer', attributes: describe(group, items) })
  )
}

/**
 * Runs a transaction so that what the application does in it hangs from its span, and never from whatever has woken the
 * group. A job has a span of its own, which it keeps.
 */
export function inTurn<T>(span: Traced | undefined, group: string | undefined, act: () => T): T {
  if (span) return span.within(act)
  return group === undefined ? act() : untraced(act)
}

/** @param outcome `settled`, or what has gone wrong */
export function endTurn(span: Traced | undefined, outcome: string): void {
  span?.set({ [spanAttributes.outcome]: outcome })
  span?.end(outcome === 'settled' ? undefined : outcome)
}

/** Undefined, without anything being made, where none is traced: as a rule. */
function tracesOf(items: readonly TurnItem[]): string[] | undefined {
  let traces: string[] | undefined
  for (const { event } of items) {
    if (event.trace === undefined) continue
    traces ??= []
    traces.push(event.trace)
  }
  return traces
}

function describe(group: string, items: readonly TurnItem[]) {
  const common = {
    [spanAttributes.operation]: 'process',
    [spanAttributes.operationType]: 'process',
    [spanAttributes.consumerGroup]: group,
    [spanAttributes.batchSize]: items.length,
  }
  const [only, ...others] = items
  if (!only || others.length > 0) return common
  const { channel, id, partition, offset } = only.event
  return {
    ...common,
    ...channelAttributes(channel, 'durable'),
    [spanAttributes.partition]: String(partition),
    [spanAttributes.offset]: offset,
    [spanAttributes.message]: id,
    [spanAttributes.attempt]: only.attempt,
  }
}
