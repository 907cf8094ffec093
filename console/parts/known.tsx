import type { ReactNode } from 'react'
import type { Part, SourceName } from '../../src/console/wire.ts'
import type { Reading } from '../state/readings.ts'
import { Note } from './card.tsx'
import { Time } from './time.tsx'

export const sourceNames: Readonly<Record<SourceName, string>> = {
  node: 'this node',
  bus: 'other nodes (Redis)',
  postgres: 'Postgres',
}

/**
 * Shows an answer, or the last one with its age and the reason why it is old, or why there is none. Waiting ends: a
 * question without an answer fails within seconds, and then that is said.
 */
export function Answered<T>({
  reading,
  children,
}: {
  reading: Reading<T>
  children: (data: T) => ReactNode
}) {
  const { data, failure } = reading
  if (data === undefined) {
    if (!failure)
      return (
        <p className="waiting" role="status">
          Asking …
        </p>
      )
    return <Note level="bad">No answer: {failure.message}. It is asked again by itself.</Note>
  }
  return (
    <>
      {failure ? (
        <Note level="warn">
          What is shown is from <Time at={reading.receivedAt} />: {failure.message}.
        </Note>
      ) : null}
      {children(data)}
    </>
  )
}

/** The same for a part of an answer, which has a source and an age of its own. */
export function Known<T>({
  part,
  otherwise,
  children,
}: {
  part: Part<T>
  /** What can be shown without it. */
  otherwise?: ReactNode
  children: (value: T) => ReactNode
}) {
  const { value, problem, at, source } = part
  if (value === null)
    return (
      <>
        <Note level="unknown">
          Not known: {problem ?? `${sourceNames[source]} has not told yet`}. Source: {sourceNames[source]}.
        </Note>
        {otherwise}
      </>
    )
  return (
    <>
      {problem === null ? null : (
        <Note level="warn">
          {at === null ? (
            <>Only what this node remembers by itself: {problem}.</>
          ) : (
            <>
              From <Time at={at} />, because {sourceNames[source]} is silent: {problem}.
            </>
          )}
        </Note>
      )}
      {children(value)}
    </>
  )
}
