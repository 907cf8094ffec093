import { between } from '../documents.ts'
import { markdown } from '../report.ts'
import type { Observation } from './observer.ts'

/** What is kept in the repository of what was seen. */
export interface KeptObservations {
  readonly seed: number
  readonly observations: readonly Observation[]
}

/** With some faults anew, the others stay; in the order of `faults`. */
export function keepObservations(
  earlier: readonly Observation[],
  fresh: readonly Observation[],
  faults: readonly string[],
): readonly Observation[] {
  const all = new Map([...earlier, ...fresh].map(each => [each.fault, each]))
  return faults.flatMap(fault => all.get(fault) ?? [])
}

/** The document with its table of what is seen made anew. */
export function writeObserved(text: string, { observations }: KeptObservations): string {
  return between(
    text,
    'seen',
    markdown(
      [
        'fault',
        'panel that moves',
        'its line, from → to',
        'alert',
        'fires after',
        'clears after',
        'fire besides',
      ],
      observations.map(({ fault, panel, move, alert, firedAfterMs, clearedAfterMs, others }) => [
        fault,
        panel,
        `${named(move.line)}${value(move.from)} → ${value(move.to)}`,
        alert,
        seconds(firedAfterMs),
        seconds(clearedAfterMs),
        others.map(each => each.replace('Holdfast', '')).join(', ') || '–',
      ]),
    ),
    'npm run chaos -- --observe --record',
  )
}

/** Which process it was is different each time. */
const named = (line: string) => {
  const labels = line.split(' ').filter(label => !label.startsWith('instance=') && label !== '')
  return labels.length > 0 ? `${labels.join(' ')}: ` : ''
}
const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`

function value(number: number | undefined): string {
  if (number === undefined) return 'nothing'
  return String(Math.abs(number) >= 100 ? Math.round(number) : Number(number.toPrecision(2)))
}
