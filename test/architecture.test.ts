import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { arrows, breaches } from './support/architecture.ts'
import { pageBreaches } from './support/page-arrows.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('the house of rooms', () => {
  it('keeps its arrows, doors, sizes and packages, and has no cycle', () => {
    const paths = globSync('src/**/*.ts', { cwd: root }).map(path => path.replaceAll('\\', '/'))
    const sources = new Map(paths.map(path => [path, readFileSync(`${root}/${path}`, 'utf8')]))
    expect(sources.size).toBeGreaterThan(50)
    expect(breaches(sources)).toEqual([])
  })

  it('has no two rooms that may import each other', () => {
    const reach = (room: string): string[] => (arrows[room] ?? []).flatMap(next => [next, ...reach(next)])
    for (const room of Object.keys(arrows)) expect(reach(room)).not.toContain(room)
  })
})

describe('the web pages', () => {
  it('are built on the client alone', () => {
    const paths = globSync('{console,demo}/**/*.{ts,tsx}', { cwd: root }).map(path =>
      path.replaceAll('\\', '/'),
    )
    expect(paths.length).toBeGreaterThan(3)
    expect(pageBreaches(new Map(paths.map(path => [path, readFileSync(`${root}/${path}`, 'utf8')])))).toEqual(
      [],
    )
  })

  it.each([
    ['demo/x.tsx', "import { x } from '../src/client/index.ts'"],
    ['demo/x.tsx', "import type { x } from '../src/console/wire.ts'"],
    ['console/x.tsx', "import { x } from '../src/console/wire.ts'"],
    ['console/views/x.tsx', "import type { x } from '../../src/domain/index.ts'"],
    ['demo/x.ts', "import { readFileSync } from 'node:fs'"],
    ['demo/x.ts', "import { x } from '../console/x.ts'"],
  ])('may not, in %s: %s', (path, text) => {
    expect(pageBreaches(new Map([[path, text]]))).toHaveLength(1)
  })

  it('may have their own files, and the console the words of its server', () => {
    const good = [
      "import type { x } from '../../src/console/wire.ts'",
      "import { createClient } from '@holdfast/client'",
      "import { createRoot } from 'react-dom/client'",
      "import '../style.css'",
    ]
    expect(pageBreaches(new Map([['console/views/x.tsx', good.join('\n')]]))).toEqual([])
  })
})

describe('the check itself', () => {
  const file = (path: string, ...lines: string[]) => breaches(new Map([[path, `${lines.join('\n')}\n`]]))

  it('passes a file that keeps every rule', () => {
    const good = [
      "import { WebSocket } from 'ws'",
      "import { a } from '../domain/index.ts'",
      "import { b } from './b.ts'",
    ]
    expect(file('src/gateway/x.ts', ...good)).toEqual([])
    expect(file('src/client/x.ts', "import type { C } from '../contract/types.ts'")).toEqual([])
    expect(
      file('src/hub/index.ts', '// The door.', 'export {', '  a,', '  type B,', "} from './a.ts'"),
    ).toEqual([])
  })

  it.each([
    ['an arrow upward', "import { x } from '../gateway/index.ts'"],
    ['an arrow between strangers', "import { x } from '../realtime/index.ts'"],
    ['a type over a forbidden arrow', "import type { X } from '../realtime/index.ts'"],
    ['a re-export over a forbidden arrow', "export { x } from '../realtime/index.ts'"],
    ['an import over several lines', "import {\n  x,\n  type Y,\n} from '../realtime/index.ts'"],
    ['a forbidden import at run time', "const x = await import('../realtime/index.ts')"],
    ['an import for its effects', "import '../realtime/index.ts'"],
    ['a way past a door', "import { x } from '../domain/errors.ts'"],
    ['the own door', "import { x } from './index.ts'"],
    ['the own door from a folder below', "import { x } from '../durable/index.ts'"],
    ['a file outside of src', "import { x } from '../../test/support/until.ts'"],
    ['state in a module', 'let count = 0'],
    ['exported state in a module', 'export let count = 0'],
    ['a file that is too long', '//\n'.repeat(301)],
  ])('reports %s', (_name, text) => {
    expect(file('src/durable/x.ts', text)).toHaveLength(1)
  })

  it.each([
    ['src/domain/x.ts', "import { readFileSync } from 'node:fs'"],
    ['src/domain/x.ts', "import { readFileSync } from 'fs'"],
    ['src/client/x.ts', "import { WebSocket } from 'ws'"],
    ['src/client/x.ts', "import { define } from '../contract/types.ts'"],
    ['src/client/x.ts', "import type { X } from '../domain/index.ts'"],
    ['src/attic/x.ts', "import { x } from './y.ts'"],
    ['src/hub/index.ts', "import { x } from './x.ts'"],
    ['src/hub/index.ts', 'export const x = 1'],
  ])('reports in %s: %s', (path, text) => {
    expect(file(path, text)).toHaveLength(1)
  })

  it('reports a cycle of types', () => {
    const sources = new Map([
      ['src/hub/a.ts', "import { b } from './b.ts'\n"],
      ['src/hub/b.ts', "import { c } from './c.ts'\n"],
      ['src/hub/c.ts', "import type { A } from './a.ts'\n"],
    ])
    expect(breaches(sources)).toEqual(['a cycle: src/hub/a.ts → src/hub/b.ts → src/hub/c.ts → src/hub/a.ts'])
  })
})
