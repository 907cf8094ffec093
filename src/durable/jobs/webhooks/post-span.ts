import { followActive, spanAttributes, type Traced } from '../../../tracing/index.ts'
import type { DeliveredEvent } from '../deliverer.ts'
import type { Answer } from './answer.ts'

/** A request to a webhook, where its job is traced. Of the address only the host: paths and queries may be as good as keys. */
export function postSpan(rule: string, { id }: DeliveredEvent, url: string): Traced | undefined {
  const { hostname, port, protocol } = new URL(url)
  return followActive('webhook POST', {
    kind: 'client',
    attributes: {
      [spanAttributes.method]: 'POST',
      [spanAttributes.server]: hostname,
      [spanAttributes.port]: Number(port || (protocol === 'http:' ? 80 : 443)),
      [spanAttributes.rule]: rule,
      [spanAttributes.message]: id,
    },
  })
}

export function endPost(span: Traced | undefined, answer: Answer): void {
  if (answer.kind === 'answered') {
    span?.set({ [spanAttributes.status]: answer.status })
    span?.end(answer.status >= 400 ? String(answer.status) : undefined)
  } else span?.end(answer.kind)
}
