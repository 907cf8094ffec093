import type { Time } from './time.ts'

/** `page`: somebody gets up. `ticket`: somebody looks at it within a working day. */
export type Severity = 'page' | 'ticket'

export interface Alert {
  /** The heading in docs/RUNBOOK.md too. Several rules may share it, where only their windows and severities differ. */
  readonly alert: `Holdfast${string}`
  readonly severity: Severity
  readonly expr: string
  /** For how long it has to be true; left out: at once. */
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  /** One line, for a phone's display. Templates of Prometheus. */
  readonly summary: string
  readonly description: string
}

export interface Recording {
  readonly record: string
  readonly expr: string
}

export interface Group<Rule> {
  readonly name: string
  readonly rules: readonly Rule[]
}

export type Alerts = (time: Time) => Group<Alert>

/** Where the runbook is published, for links from a pager; a path in this repository as long as nobody says it. */
const runbook = 'docs/RUNBOOK.md'

/** The heading's anchor as Markdown makes it. */
export const anchorOf = (heading: string): string => heading.toLowerCase()

/** As Prometheus reads it. */
export function alertRule({ alert, severity, expr, labels, summary, description, ...rest }: Alert): object {
  return {
    alert,
    expr,
    ...(rest.for !== undefined && { for: rest.for }),
    labels: { severity, ...labels },
    annotations: { summary, description, runbook_url: `${runbook}#${anchorOf(alert)}` },
  }
}
