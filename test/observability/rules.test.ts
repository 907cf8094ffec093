import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { ruleText } from '../../observability/files.ts'
import { ruleFiles } from '../../observability/rules/all.ts'
import { fasterTime, usualTime } from '../../observability/rules/time.ts'
import { findPrometheus } from '../support/install-prometheus.ts'
import type { Case } from './alert-case.ts'
import { cases } from './alert-cases.ts'
import { alerts } from './expressions.ts'

const folder = fileURLToPath(new URL('../../observability/prometheus/', import.meta.url))
const promtool = findPrometheus()?.promtool ?? ''

function run(...args: readonly string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' })
  return { ok: status === 0, said: `${stdout}${stderr}` }
}

/** Whether it fires, as Prometheus itself writes it down. */
function promtoolTest({ alert, minutes, ...series }: Case, kind: 'fires' | 'quiet'): object {
  const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0 or vector(0)`
  return {
    name: `${alert} ${kind}`,
    interval: '1m',
    input_series: Object.entries(series[kind]).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: firing,
        eval_time: `${minutes}m`,
        exp_samples: [{ labels: '{}', value: kind === 'fires' ? 1 : 0 }],
      },
    ],
  }
}

interface RuleGroup {
  readonly name: string
  readonly rules: readonly { readonly alert?: string; readonly record?: string; readonly expr: string }[]
}

/** An alert with the recordings that it reads, alone: all rules together take Prometheus ten times as long. */
function rulesOf(name: string): readonly RuleGroup[] {
  const { recording, alerts } = ruleFiles(usualTime) as Record<string, { groups: readonly RuleGroup[] }>
  const all = [...(recording?.groups ?? []), ...(alerts?.groups ?? [])]
  const mine = all.flatMap(({ rules }) => rules.filter(({ alert }) => alert === name))
  const read = ({ record = '' }: RuleGroup['rules'][number]) => mine.some(({ expr }) => expr.includes(record))
  const recorded = all.flatMap(({ rules }) => rules.filter(rule => rule.record !== undefined && read(rule)))
  return [{ name, rules: [...recorded, ...mine] }]
}

it('judges each alert by a case in which it fires and one in which it does not', () => {
  const judged = new Set(cases.map(({ alert }) => alert))
  expect([...new Set(alerts.map(({ alert }) => alert))].filter(alert => !judged.has(alert))).toEqual([])
})

describe.skipIf(promtool === '')('Prometheus', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-rules-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('takes the configuration and the rules', () => {
    const config = run('check', 'config', join(folder, 'prometheus.yml'))
    expect(config.ok, config.said).toBe(true)
    expect(config.said).toContain('2 rule files found')
    const rules = run('check', 'rules', '--lint-fatal', join(folder, 'rules/alerts.yml'))
    expect(rules.ok, rules.said).toBe(true)
  })

  it('takes the rules at the speed of the chaos suite too', async () => {
    const time = fasterTime({ factor: 60, intervalSeconds: 1, leastRange: 4, leastSeconds: 3, leastCount: 1 })
    const { recording, alerts } = ruleFiles(time)
    const files = [join(directory, 'recording.yml'), join(directory, 'alerts.yml')] as const
    await Promise.all([writeFile(files[0], ruleText(recording)), writeFile(files[1], ruleText(alerts))])
    const { ok, said } = run('check', 'rules', ...files)
    expect(ok, said).toBe(true)
    expect(ruleText(alerts)).toContain('for: 4000ms')
  })

  it('fires each alert when it should, and not when it should not', { timeout: 120_000 }, async () => {
    const names = [...new Set(cases.map(({ alert }) => alert))]
    const files = await Promise.all(
      names.map(async name => {
        const [rules, tests] = [join(directory, `${name}.rules.yml`), join(directory, `${name}.yml`)]
        await writeFile(rules, stringify({ groups: rulesOf(name) }))
        const mine = cases.filter(({ alert }) => alert === name)
        await writeFile(
          tests,
          stringify({
            rule_files: [rules],
            evaluation_interval: '1m',
            tests: mine.flatMap(each => [promtoolTest(each, 'fires'), promtoolTest(each, 'quiet')]),
          }),
        )
        return tests
      }),
    )
    const { ok, said } = run('test', 'rules', ...files)
    expect(ok, said).toBe(true)
  })
})
