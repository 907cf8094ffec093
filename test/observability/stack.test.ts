import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { generatedFiles } from '../../observability/files.ts'
import { anchorOf } from '../../observability/rules/rule.ts'
import { metrics, prometheusName } from '../../src/telemetry/index.ts'
import { composeProblems } from './compose.ts'
import { alerts, expressions, panels, recordings, usesOf } from './expressions.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, root), 'utf8')
const readYaml = async (path: string) => parse(await read(path))

const histogramParts = /_(bucket|count|sum)$/

/** What a process exports, by the names that Prometheus has for it, with its labels. */
const exported = new Map<string, ReadonlySet<string>>(
  Object.values(metrics).flatMap(metric => {
    const name = prometheusName(metric)
    const labels = new Set<string>([...metric.labels, 'instance', 'job'])
    if (metric.type !== 'histogram') return [[name, labels] as const]
    return [
      [`${name}_bucket`, new Set([...labels, 'le'])] as const,
      [`${name}_count`, labels] as const,
      [`${name}_sum`, labels] as const,
    ]
  }),
)

describe('dashboards and rules', () => {
  it.each([...generatedFiles()])('are what their sources say: %s', async (path, content) => {
    expect(await read(`observability/${path}`), 'node observability/generate.ts').toBe(content)
  })

  it('ask for metrics and labels that there are', () => {
    const recorded = new Set(recordings.map(({ record }) => record))
    const unknown = expressions.flatMap(({ where, expr }) =>
      usesOf(expr).flatMap(({ metric, labels }) => {
        if (recorded.has(metric)) return []
        const known = exported.get(metric)
        if (!known) return [`${where}: ${metric}`]
        return labels.filter(label => !known.has(label)).map(label => `${where}: ${metric}{${label}}`)
      }),
    )
    expect(unknown).toEqual([])
    expect(expressions.length).toBeGreaterThan(150)
  })

  it('mean the same to Prometheus 2 and 3', () => {
    const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }
    const differs = expressions.filter(({ expr }) => {
      const ranges = [...expr.matchAll(/\[(\d+)([smhd])\]/g)]
      const least = Math.min(
        ...ranges.map(([, n, unit]) => Number(n) * seconds[unit as keyof typeof seconds]),
      )
      return least < 120 || /\ble="\d+"/.test(expr)
    })
    expect(differs).toEqual([])
  })
})

interface GrafanaPanel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly datasource: unknown
  }[]
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } }
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly links: readonly { readonly url: string }[]
  readonly panels: readonly GrafanaPanel[]
}

const dashboards = [...generatedFiles()]
  .filter(([path]) => path.startsWith('grafana/'))
  .map(([, content]) => JSON.parse(content) as Dashboard)

describe.each(dashboards.map(each => [each.title, each] as const))('the dashboard %s', (_title, board) => {
  it('has panels of their own ids that do not lie on each other', () => {
    const ids = board.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const taken = new Map<string, string>()
    for (const { title, gridPos } of board.panels) {
      const { x, y, w, h } = gridPos
      expect(x + w, title).toBeLessThanOrEqual(24)
      for (let column = x; column < x + w; column++)
        for (let row = y; row < y + h; row++) {
          expect(taken.get(`${column} ${row}`), `beside ${title}`).toBeUndefined()
          taken.set(`${column} ${row}`, title)
        }
    }
  })

  it('says of each panel what it shows, in which unit, from the Prometheus that is provisioned', async () => {
    const { datasources } = await readYaml('observability/grafana/provisioning/datasources/datasources.yml')
    const uids = datasources.map(({ uid }: { uid: string }) => uid)
    for (const panel of board.panels.filter(({ type }) => type !== 'row')) {
      expect(panel.description, panel.title).toMatch(/^\S.{5,}\.$/)
      expect(panel.fieldConfig?.defaults.unit, panel.title).toBeTruthy()
      expect(uids, panel.title).toContain(panel.datasource?.uid)
      const refs = panel.targets?.map(({ refId }) => refId) ?? []
      expect(refs.length, panel.title).toBeGreaterThan(0)
      expect(new Set(refs).size, panel.title).toBe(refs.length)
    }
  })

  it('is linked with the others', () => {
    const others = dashboards.filter(other => other !== board).map(({ uid }) => `/d/${uid}`)
    expect(board.links.map(({ url }) => url)).toEqual(others)
  })
})

describe('the panels', () => {
  it('show every metric that there is', () => {
    const shown = panels.flatMap(({ asks }) => asks.flatMap(({ expr }) => usesOf(expr)))
    const recorded = recordings
      .filter(({ record }) => shown.some(({ metric }) => metric === record))
      .flatMap(({ expr }) => usesOf(expr))
    const read = new Set([...shown, ...recorded].map(({ metric }) => metric.replace(histogramParts, '')))
    const names = Object.values(metrics).map(prometheusName)
    expect(names.filter(name => !read.has(name))).toEqual([])
  })

  it('have names of their own', () => {
    const names = panels.map(({ where }) => where)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('the runbook', () => {
  it('says of each alert what it means, what to look at and what to do, and knows no other', async () => {
    const text = await read('docs/RUNBOOK.md')
    const sections = new Map(
      text.split(/^### /m).map(section => {
        const [heading = '', ...body] = section.split('\n')
        return [heading.trim(), body.join('\n')] as const
      }),
    )
    const names = [...new Set(alerts.map(({ alert }) => alert))]
    for (const name of names) {
      const body = sections.get(name) ?? ''
      for (const part of ['means', 'look at', 'do'])
        expect(body, `${name}: | ${part} |`).toMatch(new RegExp(`^\\| ${part} \\| .{20,} \\|$`, 'm'))
    }
    const written = [...sections.keys()].filter(heading => heading.startsWith('Holdfast'))
    expect(written.sort()).toEqual([...names].sort())
  })

  it('is where each alert points to', async () => {
    const { groups } = await readYaml('observability/prometheus/rules/alerts.yml')
    const rules = groups.flatMap(({ rules }: { rules: object[] }) => rules) as {
      alert: string
      labels: { severity: string }
      annotations: { summary: string; description: string; runbook_url: string }
    }[]
    expect(rules).toHaveLength(alerts.length)
    for (const { alert, labels, annotations } of rules) {
      expect(annotations.runbook_url).toBe(`docs/RUNBOOK.md#${anchorOf(alert)}`)
      expect(['page', 'ticket']).toContain(labels.severity)
      expect(annotations.summary.length, alert).toBeGreaterThan(10)
      expect(annotations.description.length, alert).toBeGreaterThan(10)
    }
  })
})

describe('docker-compose.yml', () => {
  it('is what the Compose specification allows, with files, volumes and ports that there are', async () => {
    expect(await composeProblems(root)).toEqual([])
  })

  it('starts Redis and Postgres alone where nobody asks for more', async () => {
    const { services } = await readYaml('docker-compose.yml')
    const plain = Object.entries(services as Record<string, { profiles?: string[] }>)
    expect(plain.filter(([, { profiles }]) => !profiles).map(([name]) => name)).toEqual(['redis', 'postgres'])
  })
})
