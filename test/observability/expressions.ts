import { boards } from '../../observability/files.ts'
import { allAlerts, ruleFiles } from '../../observability/rules/all.ts'
import type { Recording } from '../../observability/rules/rule.ts'
import { usualTime } from '../../observability/rules/time.ts'

export interface Expression {
  /** Where it stands, for people. */
  readonly where: string
  readonly expr: string
}

export const recordings: readonly Recording[] = (
  ruleFiles(usualTime).recording as { groups: { rules: Recording[] }[] }
).groups.flatMap(({ rules }) => rules)

export const alerts = allAlerts(usualTime).flatMap(({ rules }) => rules)

export const panels = boards.flatMap(board =>
  board.sections.flatMap(section =>
    section.panels.map(panel => ({ ...panel, where: `${board.title} › ${panel.title}` })),
  ),
)

/** Every expression that Prometheus is asked. */
export const expressions: readonly Expression[] = [
  ...recordings.map(({ record, expr }) => ({ where: record, expr })),
  ...alerts.map(({ alert, expr }) => ({ where: alert, expr })),
  ...panels.flatMap(({ where, asks }) => asks.map(({ expr }) => ({ where, expr }))),
]

/** With the variables of Grafana replaced. */
export function asked(expr: string, window: string): string {
  return expr.replaceAll('$__rate_interval', window).replaceAll('$instance', '.+')
}

export interface Use {
  readonly metric: string
  /** Labels that are chosen by, and that it is added up by. */
  readonly labels: readonly string[]
}

/** Which of our metrics an expression reads, and by which labels of each it chooses. */
export function usesOf(expr: string): readonly Use[] {
  return [...expr.matchAll(/(?<!")\b(holdfast[a-z0-9_:]*)(?:\{([^}]*)\})?/g)].map(
    ([, metric = '', chosen = '']) => ({
      metric,
      labels: [...chosen.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  )
}
