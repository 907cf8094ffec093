import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ruleText } from '../../observability/files.ts'
import { ruleFiles } from '../../observability/rules/all.ts'
import type { Time } from '../../observability/rules/time.ts'
import { startChildServer } from '../../src/cli/services/child-server.ts'
import { freePort } from '../../src/cli/services/free-port.ts'

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

export interface Line {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly number[]
}

export interface Alarm {
  readonly name: string
  readonly state: 'pending' | 'firing'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Prometheus {
  readonly url: string
  /** What an expression is now, or at that time (seconds since 1970). @throws Error with what Prometheus says of it */
  query(expr: string, at?: number): Promise<readonly Series[]>
  /** What it was in each second between two times (seconds since 1970). */
  range(expr: string, from: number, to: number): Promise<readonly Line[]>
  alerts(): Promise<readonly Alarm[]>
  stop(): Promise<void>
}

/** A real Prometheus with our rules that scrapes these processes as `job="holdfast"`; its files are gone when it is stopped. */
export async function startPrometheus(options: {
  program: string
  /** `127.0.0.1:8000` … */
  targets: readonly string[]
  time: Time
  log?: (line: string) => void
}): Promise<Prometheus> {
  const { program, targets, time, log } = options
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-prometheus-'))
  await mkdir(join(directory, 'rules'))
  const { recording, alerts } = ruleFiles(time)
  const config = {
    global: {
      scrape_interval: time.interval,
      scrape_timeout: time.interval,
      evaluation_interval: time.interval,
    },
    rule_files: ['rules/*.yml'],
    scrape_configs: [{ job_name: 'holdfast', static_configs: [{ targets }] }],
  }
  await Promise.all([
    writeFile(join(directory, 'prometheus.yml'), stringify(config, { aliasDuplicateObjects: false })),
    writeFile(join(directory, 'rules/recording.yml'), ruleText(recording)),
    writeFile(join(directory, 'rules/alerts.yml'), ruleText(alerts)),
  ])
  const address = `127.0.0.1:${await freePort()}`
  const server = await startChildServer({
    file: program,
    args: [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    ready: /Server is ready to receive web requests/,
    stopSignal: 'TERM',
    log,
  })
  const url = `http://${address}`
  async function ask<T>(path: string, params: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(params)}`)
    const { data, error } = (await response.json()) as { data?: T; error?: string }
    if (data === undefined) throw new Error(`${error}: ${JSON.stringify(params)}`)
    return data
  }
  return {
    url,
    async query(expr, at) {
      const params = { query: expr, ...(at !== undefined && { time: String(at) }) }
      const { result, resultType } = await ask<Answer>('query', params)
      if (resultType === 'scalar') return [{ metric: {}, value: Number((result as unknown as Point)[1]) }]
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async range(expr, from, to) {
      const params = { query: expr, start: String(from), end: String(to), step: '1' }
      const { result } = await ask<{
        result: readonly { metric: Record<string, string>; values: Point[] }[]
      }>('query_range', params)
      return result.map(({ metric, values }) => ({
        metric,
        values: values.map(([, value]) => Number(value)),
      }))
    },
    async alerts() {
      const { alerts } = await ask<{ alerts: Omit<Alarm, 'name'>[] }>('alerts')
      return alerts.map(alarm => ({ ...alarm, name: alarm.labels['alertname'] ?? '' }))
    },
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

type Point = [time: number, value: string]
interface Answer {
  readonly resultType: string
  readonly result: readonly { readonly metric: Record<string, string>; readonly value: Point }[]
}
