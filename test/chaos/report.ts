import { total } from './checks/sets.ts'
import type { Row } from './runner.ts'
import type { Invariant } from './types.ts'

/** What a row keeps of a run, in the repository and in the documents. */
export interface Line {
  readonly system: string
  readonly fault: string
  readonly about: string
  readonly seed: number
  readonly seconds: number
  readonly signals: {
    readonly acknowledged: number
    /** Missing deliveries: on the writer's own node, and on another. */
    readonly lostLocally: number
    readonly lostAcross: number
    readonly wrong: number
    readonly late: number
  }
  readonly events: {
    readonly acknowledged: number
    readonly unknown: number
    readonly recovered: number
    readonly lost: number
    readonly missing: number
    /** Duplicates, out of order, phantoms, unexpected offsets, torn commands. */
    readonly wrong: number
    /** Of groups, and rows of read models. */
    readonly wrongEffects: number
  }
  readonly silenceMs: number
  readonly eventLagMs: number
  readonly recoveryMs: number | undefined
  readonly broken: readonly Invariant[]
  readonly excused: readonly { readonly invariant: Invariant; readonly why: string }[]
}

/** Undefined for what did not come to an end. */
export function lineOf(row: Row, system: string, seed: number, seconds: number): Line | undefined {
  if (row.kind !== 'run') return undefined
  const { events, signals, measures, violations, excused } = row.run.verdict
  return {
    system,
    fault: row.fault?.name ?? noFault,
    about: row.fault?.about ?? noFaultAbout,
    seed,
    seconds,
    signals: {
      acknowledged: signals.acknowledged,
      lostLocally: signals.lostLocally,
      lostAcross: signals.lostAcross,
      wrong: signals.duplicated + signals.outOfOrder + signals.phantom + signals.untold,
      late: signals.late,
    },
    events: {
      acknowledged: events.acknowledged,
      unknown: events.unknown,
      recovered: events.recovered,
      lost: events.lost,
      missing: total(events.missing),
      wrong:
        events.duplicated +
        events.outOfOrder +
        events.phantom +
        events.unexpectedOffsets +
        events.wrongCommands,
      wrongEffects: events.wrongEffects + events.wrongRows,
    },
    silenceMs: Math.round(measures.silenceMs),
    eventLagMs: Math.round(measures.eventLagMs),
    recoveryMs: measures.recoveryMs === undefined ? undefined : Math.round(measures.recoveryMs),
    broken: violations.map(({ invariant }) => invariant),
    excused: excused.map(({ invariant }) => ({
      invariant,
      why: row.fault?.excuses?.[invariant] ?? '',
    })),
  }
}

export const noFault = 'none'
export const noFaultAbout = 'the same traffic without a fault'

const heads = [
  'fault',
  'signals: acknowledged',
  'lost here / across',
  'wrong / late',
  'events: acknowledged',
  'unknown (there after all)',
  'lost / missing',
  'wrong / effects',
  'silence ms',
  'event lag ms',
  'recovery ms',
  '',
]

export function cells(line: Line): string[] {
  const { signals, events } = line
  return [
    line.fault,
    String(signals.acknowledged),
    `${signals.lostLocally} / ${signals.lostAcross}`,
    `${signals.wrong} / ${signals.late}`,
    String(events.acknowledged),
    `${events.unknown} (${events.recovered})`,
    `${events.lost} / ${events.missing}`,
    `${events.wrong} / ${events.wrongEffects}`,
    String(line.silenceMs),
    String(line.eventLagMs),
    line.recoveryMs === undefined ? '–' : String(line.recoveryMs),
    verdict(line),
  ]
}

function verdict({ broken, excused }: Line): string {
  if (broken.length > 0) return `broken: ${broken.join(', ')}`
  return excused.length > 0 ? `kept, but ${excused.map(({ why }) => why).join('; ')}` : 'kept'
}

/** For a terminal. */
export function textTable(lines: readonly Line[]): string {
  const rows = [heads, ...lines.map(cells)]
  const widths = heads.map((_, i) => Math.max(...rows.map(row => (row[i] ?? '').length)))
  return rows
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** For the documents: what was done, what came of it, and the command that does it again. */
export function faultTable(lines: readonly Line[]): string {
  return markdown(
    ['fault', 'what is done', 'promises', 'again'],
    lines.map(line => [line.fault, line.about, verdict(line), `\`${commandOf(line)}\``]),
  )
}

export function figureTable(lines: readonly Line[]): string {
  return markdown(
    heads.slice(0, -1),
    lines.map(line => cells(line).slice(0, -1)),
  )
}

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

export function commandOf({
  system,
  fault,
  seed,
  seconds,
}: Pick<Line, 'system' | 'fault' | 'seed' | 'seconds'>): string {
  const options = [
    ...(system === 'holdfast' ? [] : [`--system "${system}"`]),
    `--fault ${fault}`,
    `--seed ${seed}`,
    ...(seconds === defaultSeconds ? [] : [`--seconds ${seconds}`]),
  ]
  return `npm run chaos -- ${options.join(' ')}`
}

/** How long a fault is in force. */
export const defaultSeconds = 4
