import { stringify } from 'yaml'
import { grafanaBoard } from './dashboards/board.ts'
import { dependencies } from './dashboards/dependencies.ts'
import { durable } from './dashboards/durable.ts'
import { overview } from './dashboards/overview.ts'
import type { Board } from './dashboards/panel.ts'
import { realtime } from './dashboards/realtime.ts'
import { ruleFiles } from './rules/all.ts'
import { usualTime } from './rules/time.ts'

export const boards: readonly Board[] = [overview, realtime, durable, dependencies]

/** Everything that is generated, by its path in this folder. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const { recording, alerts } = ruleFiles(usualTime)
  return new Map([
    ...boards.map((board): [string, string] => [
      `grafana/dashboards/${board.name}.json`,
      `${JSON.stringify(grafanaBoard(board, boards), null, 2)}\n`,
    ]),
    ['prometheus/rules/recording.yml', ruleText(recording)],
    ['prometheus/rules/alerts.yml', ruleText(alerts)],
  ])
}

/** As Prometheus reads it. */
export function ruleText(rules: object): string {
  const note = '# Made by `node observability/generate.ts` of observability/rules/*.ts.\n'
  return note + stringify(rules, { lineWidth: 0, aliasDuplicateObjects: false })
}
