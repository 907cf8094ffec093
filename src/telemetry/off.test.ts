import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { otlpWanted } from './otlp-wanted.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }

/** Which packages a process has loaded that imports these files, one after the other. */
async function loads(files: readonly string[], env: Record<string, string>): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module'
    const seen = new Set()
    registerHooks({ resolve(specifier, context, next) {
      const found = next(specifier, context)
      seen.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(found.url)?.[1])
      return found
    } })
    for (const file of ${JSON.stringify(files.map(file => `${root}${file}`))}) await import(file)
    console.log(JSON.stringify([...seen]))
    process.exit()`
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await run(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as string[]
}

const sending = /sdk-node|sdk-trace|exporter-(trace|metrics)|otlp/

describe('OpenTelemetry', () => {
  it('is wanted where its variables say where to send to, and only for that', () => {
    const both = (env: Record<string, string>) => [otlpWanted(env, 'TRACES'), otlpWanted(env, 'METRICS')]
    expect(both({})).toEqual([false, false])
    expect(both({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' })).toEqual([false, false])
    expect(both(endpoint)).toEqual([true, true])
    expect(both({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x/v1/traces' })).toEqual([true, false])
    expect(both({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://x/v1/metrics' })).toEqual([false, true])
    expect(both({ ...endpoint, OTEL_METRICS_EXPORTER: 'none' })).toEqual([true, false])
    expect(both({ ...endpoint, OTEL_TRACES_EXPORTER: 'console,otlp' })).toEqual([true, true])
    expect(both({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' })).toEqual([false, false])
  })

  it('costs a node nothing where nobody asks for it: what sends spans is not even loaded', async () => {
    const node = ['observability/instrumentation.ts', 'src/app/index.ts']
    const off = await loads(node, {})
    expect(off).toContain('@opentelemetry/api')
    expect(off.filter(name => sending.test(name ?? ''))).toEqual([])
    const disabled = await loads(['observability/instrumentation.ts'], {
      ...endpoint,
      OTEL_SDK_DISABLED: 'true',
    })
    expect(disabled.filter(name => name?.startsWith('@opentelemetry'))).toEqual([])
    const on = await loads(['observability/instrumentation.ts'], endpoint)
    expect(on).toContain('@opentelemetry/sdk-node')
  }, 60_000)
})
