import { globSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { clientSizes } from '../scripts/client-size.ts'
import { configSchema } from '../src/platform/index.ts'
import { metrics } from '../src/telemetry/index.ts'
import { spanAttributes, spanNames } from '../src/tracing/index.ts'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

/** Every leaf of the configuration as a dotted path; a namespace's options without their prefix. */
function leaves(schema: unknown, path: string): string[] {
  const { properties, additionalProperties } = schema as {
    properties?: Record<string, unknown>
    additionalProperties?: unknown
  }
  if (path === 'defaults') return []
  // Each of them takes what `redis` itself takes.
  if (/^redis\.(bus|log|jobs)$/.test(path)) return [path]
  if (!properties) {
    return typeof additionalProperties === 'object' && path === 'namespaces'
      ? leaves(additionalProperties, '')
      : [path]
  }
  return Object.entries(properties).flatMap(([key, value]) => leaves(value, path ? `${path}.${key}` : key))
}

describe('the documents', () => {
  it('name every key of the configuration, and none that does not exist', async () => {
    const text = await read('docs/CONFIGURATION.md')
    const keys = leaves(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), '')
    expect(keys.length).toBeGreaterThan(40)
    const documented = [...text.matchAll(/^\|(.+?)\|/gm)].flatMap(row =>
      [...(row[1] ?? '').matchAll(/`([\w.]+)`/g)].map(m => m[1] ?? ''),
    )
    expect(keys.filter(key => !documented.includes(key))).toEqual([])
    const known = new Set([...keys, 'defaults', ...keys.map(key => key.split('.')[0] ?? '')])
    const dotted = documented.filter(key => key.includes('.') && !known.has(key))
    expect(dotted).toEqual([])
  })

  it('state the size of the client, which a front end can afford', async () => {
    const text = await read('packages/client/README.md')
    const [, whole, sdk, react] =
      /([\d.]+) KB gzipped, of which ([\d.]+) .*?([\d.]+) KB more/.exec(text) ?? []
    const sizes = await clientSizes()
    for (const [stated, bytes] of [
      [whole, sizes.whole],
      [sdk, sizes.whole - sizes.own],
      [react, sizes.react],
    ] as const) {
      expect(Math.abs(Number(stated) - bytes / 1_000), `${stated} KB; npm run size says more`).toBeLessThan(
        0.6,
      )
    }
    expect(sizes.whole).toBeLessThan(41_000)
    expect(sizes.react).toBeLessThan(2_500)
  })

  it('describe every metric in the words of the code', async () => {
    const rows = [
      ...(await read('docs/TELEMETRY.md')).matchAll(
        /^\| `(holdfast[^`]+)` \| (\w+) \| `([^`]+)` \| (.+?) \| (.+) \|$/gm,
      ),
    ]
    const documented = rows.map(([, name, type, unit, labels = '', description]) => {
      const words = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)
      return { name, type, unit, labels: words, description }
    })
    expect(documented).toEqual(Object.values(metrics))
  })

  it('name every span in the words of the code, and every attribute', async () => {
    const text = /^## Traces\n([\s\S]+)/m.exec(await read('docs/TELEMETRY.md'))?.[1] ?? ''
    const spans = /^### Spans\n\n([\s\S]+?)\n\n/m.exec(text)?.[1] ?? ''
    const rows = [...spans.matchAll(/^\| `(.+?)` \| (.+) \|$/gm)]
    expect(rows.map(([, name, description]) => ({ name, description }))).toEqual(Object.values(spanNames))
    const table = /^\| attribute \|[\s\S]+?\n\n/m.exec(text)?.[0] ?? ''
    const named = [...table.matchAll(/`([a-z]+\.[a-z_.]+)`/g)].map(match => match[1])
    expect([...new Set(named)].sort()).toEqual(Object.values(spanAttributes).sort())
  })

  it('name bounds that are there: keys of the configuration, and names in the code', async () => {
    const text = /^## Bounds\n([\s\S]+?)^## /m.exec(await read('docs/ARCHITECTURE.md'))?.[1] ?? ''
    const rows = [...text.matchAll(/^\| (?!what grows|-)(.+?) \| (.+?) \| (.+?) \|$/gm)]
    expect(rows.length).toBeGreaterThan(40)
    const named = rows.flatMap(row =>
      [...(row[2] ?? '').matchAll(/`([\w.]+)`/g)].map(match => match[1] ?? ''),
    )
    const keys = leaves(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), '')
    const root = fileURLToPath(new URL('../', import.meta.url))
    const code = globSync('src/**/*.ts', { cwd: root, exclude: path => path.endsWith('.test.ts') })
      .map(path => readFileSync(`${root}${path}`, 'utf8'))
      .join('\n')
    const isThere = (name: string) =>
      name.includes('.') ? keys.includes(name) : new RegExp(`\\b${name}\\b[?]?( =|: )`).test(code)
    expect(named.filter(name => !isThere(name))).toEqual([])
    const without = rows.filter(row => !/`/.test(`${row[2]}${row[3]}`)).map(row => row[1])
    expect(without).toEqual([])
  })

  it('keep the README under 200 lines', async () => {
    expect((await read('README.md')).split('\n').length).toBeLessThan(200)
  })
})
