import { dirname, join, normalize } from 'node:path/posix'

/** Packages that a page may use; the server is none of them. */
const packages: Readonly<Record<string, readonly string[]>> = {
  console: ['@holdfast/client', '@holdfast/client/react', 'react', 'react-dom', 'uplot'],
  demo: ['@holdfast/client', '@holdfast/client/react', 'react', 'react-dom'],
}

/** Files of the server that a page may take types from. */
const typesOf: Readonly<Record<string, readonly string[]>> = { console: ['src/console/wire.ts'], demo: [] }

const maxLines = 300

/** Every breach of the pages' rules, one sentence each: they are front ends like any other, built on the client alone. */
export function pageBreaches(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.split('\n').length - 1
    const size = lines > maxLines ? [`${path} has ${lines} lines, more than ${maxLines}`] : []
    return [...size, ...importsOf(text).flatMap(each => importBreach(path, each))]
  })
}

interface Import {
  readonly target: string
  readonly typeOnly: boolean
}

function importsOf(text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statement = /^\s*(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]+?\sfrom\s+)?['"]([^'"]+)['"]/gm
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g
  return [
    ...[...code.matchAll(statement)].map(m => ({ target: m[2] ?? '', typeOnly: m[1] !== undefined })),
    ...[...code.matchAll(dynamic)].map(m => ({ target: m[1] ?? '', typeOnly: false })),
  ]
}

function importBreach(path: string, { target, typeOnly }: Import): string[] {
  const page = path.split('/')[0] ?? ''
  if (!target.startsWith('.')) {
    const name =
      target.startsWith('react-dom/') || target.startsWith('uplot/') ? target.split('/')[0] : target
    return packages[page]?.includes(name ?? '') ? [] : [`${path} imports ${target}: ${page} may not`]
  }
  const file = normalize(join(dirname(path), target))
  if (file.startsWith(`${page}/`)) return []
  if (!typesOf[page]?.includes(file)) return [`${path} imports ${file}, which is not of this page`]
  return typeOnly ? [] : [`${path} imports more than types from ${file}`]
}
