import { dirname, join, normalize } from 'node:path/posix'

/** Which rooms of `src/` a room may import; a room that is not named here must not exist. */
export const arrows: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  contract: ['domain'],
  protocol: ['domain'],
  tracing: ['domain'],
  telemetry: ['tracing', 'domain'],
  platform: ['domain'],
  hub: ['domain', 'protocol', 'telemetry'],
  resilience: ['platform', 'protocol', 'telemetry', 'domain'],
  realtime: ['tracing', 'hub', 'resilience', 'platform', 'protocol', 'telemetry', 'domain'],
  durable: ['tracing', 'hub', 'resilience', 'platform', 'protocol', 'telemetry', 'domain'],
  commands: ['tracing', 'durable', 'platform', 'telemetry', 'contract', 'domain'],
  projections: ['tracing', 'durable', 'platform', 'telemetry', 'contract', 'domain'],
  prober: ['durable', 'platform', 'protocol', 'telemetry', 'domain'],
  // For the application's own tests: `given` runs nothing of the server, `startHoldfast` all of it.
  testing: [
    ...['app', 'cli', 'client', 'gateway', 'platform'],
    ...['commands', 'projections', 'durable', 'contract', 'domain'],
  ],
  gateway: [
    'tracing',
    'realtime',
    'projections',
    'durable',
    'hub',
    'resilience',
    'platform',
    'protocol',
    'telemetry',
    'domain',
  ],
  // The web pages as files.
  pages: [],
  console: [
    ...['gateway', 'projections', 'durable', 'resilience', 'platform', 'protocol', 'telemetry', 'domain'],
    'pages',
  ],
  app: [
    ...['gateway', 'realtime', 'durable', 'hub', 'resilience', 'platform', 'protocol', 'telemetry', 'domain'],
    ...['contract', 'projections', 'commands', 'console', 'pages', 'prober', 'tracing'],
  ],
  cli: ['app', 'gateway', 'projections', 'durable', 'platform', 'domain', 'client'],
  // Runs in browsers. It takes the contract's types, and nothing that exists at run time.
  client: ['contract'],
}

/** Packages that a room may use, where not every dependency will do. */
const packages: Readonly<Record<string, readonly string[]>> = {
  domain: ['uuid'],
  contract: [],
  protocol: [],
  client: ['centrifuge'],
  // Of the client, what only those who bring React import.
  'client/react': ['react'],
}

/** Files besides `index.ts` that other rooms may import, and only as types. */
const typeDoors = ['src/contract/types.ts', 'src/console/wire.ts']

const maxLines = 300
const maxTestLines = 500
const maxDoorLines = 60

/** The paths of all files, from the repository's root, with their text. */
export type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  /** As written: `../domain/index.ts`, `node:fs`, `ws`. */
  readonly target: string
  readonly typeOnly: boolean
}

/** Every breach of the house's rules, one sentence each. */
export function breaches(sources: Sources): string[] {
  const imports = [...sources].flatMap(([path, text]) => (isTest(path) ? [] : importsOf(path, text)))
  return [
    ...[...sources].flatMap(([path, text]) => [...sizeBreaches(path, text), ...stateBreaches(path, text)]),
    ...imports.flatMap(each => [...roomBreaches(each), ...packageBreaches(each)]),
    ...cycleBreaches(imports),
  ]
}

function isTest(path: string): boolean {
  return /\.(test|contract)\.ts$/.test(path)
}

function roomOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? ''
}

/** Type imports count as arrows too: a word of another room is a dependency on it, whoever erases it. */
function importsOf(path: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statement = /^\s*(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]+?\sfrom\s+)?['"]([^'"]+)['"]/gm
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g
  return [
    ...[...code.matchAll(statement)].map(m => ({
      from: path,
      target: m[2] ?? '',
      typeOnly: m[1] !== undefined,
    })),
    ...[...code.matchAll(dynamic)].map(m => ({ from: path, target: m[1] ?? '', typeOnly: false })),
  ]
}

function resolved(each: Import): string {
  return normalize(join(dirname(each.from), each.target))
}

function roomBreaches(each: Import): string[] {
  const room = roomOf(each.from)
  const allowed = arrows[room]
  if (!allowed) return [`${each.from}: there is no room "${room}" in the table of arrows`]
  if (!each.target.startsWith('.')) return []
  const target = resolved(each)
  if (!target.startsWith('src/')) {
    return target === 'package.json' ? [] : [`${each.from} imports ${target}, which is outside of src`]
  }
  const other = roomOf(target)
  if (other === room) {
    return target === `src/${room}/index.ts` ? [`${each.from} imports its own room's door`] : []
  }
  if (!allowed.includes(other))
    return [`${each.from} imports ${target}: no arrow goes from ${room} to ${other}`]
  if (room === 'client' && !each.typeOnly) return [`${each.from} imports more than types from ${target}`]
  if (typeDoors.includes(target) && each.typeOnly) return []
  return target === `src/${other}/index.ts`
    ? []
    : [`${each.from} imports ${target} past the door of ${other}`]
}

function packageBreaches(each: Import): string[] {
  if (each.target.startsWith('.')) return []
  const room = each.from.startsWith('src/client/react/') ? 'client/react' : roomOf(each.from)
  const allowed = packages[room]
  return !allowed || allowed.includes(each.target)
    ? []
    : [`${each.from} imports ${each.target}: ${room} may not`]
}

function sizeBreaches(path: string, text: string): string[] {
  const lines = text.split('\n').length - 1
  const limit = isTest(path) ? maxTestLines : maxLines
  const found = lines > limit ? [`${path} has ${lines} lines, more than ${limit}`] : []
  if (!/^src\/[^/]+\/index\.ts$/.test(path)) return found
  if (lines > maxDoorLines) found.push(`${path} has ${lines} lines, more than a door's ${maxDoorLines}`)
  const rest = text
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .replace(/^export\s+(type\s+)?(\*|\{[^}]*\})(\s+as\s+\w+)?\s+from\s+'[^']+'\s*;?$/gm, '')
  if (rest.trim() !== '') found.push(`${path} holds more than exports: ${rest.trim().split('\n')[0]}`)
  return found
}

function stateBreaches(path: string, text: string): string[] {
  if (isTest(path)) return []
  return [...text.matchAll(/^(?:export )?(?:let|var) (\w+)/gm)].map(
    m => `${path} keeps state in its module: ${m[1]}`,
  )
}

/** Cycles between files, type imports included: two files that need each other's words are one file or three. */
function cycleBreaches(imports: readonly Import[]): string[] {
  const graph = new Map<string, Set<string>>()
  for (const each of imports) {
    if (!each.target.startsWith('.')) continue
    const targets = graph.get(each.from) ?? new Set()
    graph.set(each.from, targets.add(resolved(each)))
  }
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file)
    if (start >= 0) {
      found.push(`a cycle: ${[...trail.slice(start), file].join(' → ')}`)
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file])
    done.add(file)
  }
  for (const file of graph.keys()) walk(file, [])
  return found
}
