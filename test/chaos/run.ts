// `npm run chaos`: real processes under real faults, and a checker that knows what was acknowledged.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { withProgress } from '../../src/cli/output.ts'
import { type Kept, keepOver, writeTables } from './documents.ts'
import { allFaults } from './faults/all.ts'
import { holdfast } from './holdfast/system.ts'
import { naiveSystems } from './naive/systems.ts'
import { observeFaults } from './observe/command.ts'
import { commandOf, defaultSeconds, type Line, lineOf, noFault, textTable } from './report.ts'
import { Chaos, type Row } from './runner.ts'
import type { Fault, System } from './types.ts'

const systems: readonly System[] = [holdfast, ...naiveSystems]
const results = (name: string) => fileURLToPath(new URL(`./results/${name}`, import.meta.url))

const usage = `npm run chaos -- [options]
  --fault NAMES    faults, separated by commas; a name's beginning stands for all that begin so (default: all)
  --seed N         what is drawn by chance is drawn from it (default: by the clock, and printed)
  --seconds N      how long a fault is in force (default ${defaultSeconds}); some say so themselves
  --system NAMES   what is tested (default holdfast; all: what it is compared with as well)
  --observe        look what a Prometheus sees of each fault: its panel moves, its alert fires and clears
  --record         keep the results, and bring the tables of docs/CHAOS.md up to date
  --list           say which faults and systems there are
  --help`

interface Options {
  readonly faults: readonly Fault[]
  readonly systems: readonly System[]
  readonly seed: number
  readonly seconds: number
  readonly observe: boolean
  readonly record: boolean
}

function readOptions(): Options | string {
  const { values } = parseArgs({
    options: {
      fault: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      seconds: { type: 'string', default: String(defaultSeconds) },
      system: { type: 'string', default: 'holdfast' },
      observe: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return usage
  if (values.list) return list()
  const number = (name: 'seed' | 'seconds') => {
    const value = Number(values[name])
    if (!(value > 0)) throw new Error(`--${name}: expected a number above 0, got "${values[name]}"`)
    return value
  }
  return {
    faults: chosen('fault', values.fault ?? '', allFaults),
    systems: values.system === 'all' ? systems : chosen('system', values.system, systems),
    seed: number('seed'),
    seconds: number('seconds'),
    observe: values.observe,
    record: values.record,
  }
}

function chosen<T extends { readonly name: string }>(
  what: string,
  names: string,
  all: readonly T[],
): readonly T[] {
  if (names === noFault) return []
  const wanted = names.split(',')
  const matches = (name: string) => all.filter(each => each.name === name)
  const found = wanted.map(name => {
    const exact = matches(name)
    return exact.length > 0 ? exact : all.filter(each => each.name.startsWith(name))
  })
  const unknown = wanted.filter((_, i) => found[i]?.length === 0)
  if (unknown.length > 0) throw new Error(`no such ${what}: ${unknown.join(', ')}\n${list()}`)
  const set = new Set(found.flat())
  return all.filter(each => set.has(each))
}

function list(): string {
  const widest = Math.max(...allFaults.map(({ name }) => name.length))
  return [
    'faults:',
    ...allFaults.map(({ name, about, unavailable }) => {
      const reason = unavailable?.()
      return `  ${name.padEnd(widest)}  ${about}${reason === undefined ? '' : ` (not here: ${reason})`}`
    }),
    'systems:',
    ...systems.map(({ name }) => `  ${name}`),
  ].join('\n')
}

async function main({ faults, systems, seed, seconds, record }: Options): Promise<number> {
  console.log(`seed ${seed}`)
  let failed = 0
  const lines: Line[] = []
  for (const system of systems) {
    await using chaos = new Chaos({ system, faults, seed, holdMs: seconds * 1_000, say, phase: tellPhase })
    const stop = async () => {
      say('stopping')
      await chaos[Symbol.asyncDispose]()
      process.exit(130)
    }
    for (const signal of signals) process.once(signal, stop)
    await withProgress(system.name, faults.length + 1, async step => {
      for await (const row of chaos.rows()) {
        step()
        const line = lineOf(row, system.name, seed, seconds)
        if (line) lines.push(line)
        // Row by row, so that one that is interrupted has kept what it has.
        if (line && record) await keep([line])
        // A way that Holdfast is compared with is measured, not judged.
        if (!(await told(row, system, line, seed, seconds)) && system === holdfast) failed++
      }
    })
    for (const signal of signals) process.removeListener(signal, stop)
  }
  console.log(`\n${textTable(lines)}\n`)
  if (failed > 0) console.error(`${failed} of ${faults.length + 1} broke a promise or came to no end`)
  return failed === 0 ? 0 : 1
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Whether all is well with a row; where it isn't, what to do next. */
async function told(
  row: Row,
  system: System,
  line: Line | undefined,
  seed: number,
  seconds: number,
): Promise<boolean> {
  const name = row.fault?.name ?? noFault
  const took = `${Math.round(row.ms / 1_000)} s`
  if (row.kind === 'skipped') {
    console.log(`${name}: skipped, ${row.reason}`)
    return true
  }
  if (row.kind === 'run' && row.run.verdict.violations.length === 0) {
    console.log(`${name}: kept (${took})`)
    return true
  }
  const again = commandOf(line ?? { system: system.name, fault: name, seed, seconds })
  if (row.kind === 'failed') {
    const { error } = row
    console.log(`${name}: ${error instanceof Error ? error.stack : error}\n  again: ${again}`)
    return false
  }
  const file = results(`failed-${system.name.replaceAll(/\W+/g, '-')}-${name}-${seed}.json`)
  await save(file, row.run)
  console.log(`${name}: broken (${took})`)
  for (const { invariant, count, examples } of row.run.verdict.violations) {
    console.log(`  ${invariant}: ${count}`)
    for (const example of examples) console.log(`    ${example}`)
  }
  console.log(`  again: ${again}\n  record: ${file}`)
  return false
}

async function keep(lines: readonly Line[]): Promise<void> {
  const file = results('recorded.json')
  const earlier = await readFile(file, 'utf8').then(
    text => JSON.parse(text) as Kept,
    () => ({ lines: [] }),
  )
  const kept = keepOver(earlier, lines, [noFault, ...allFaults.map(({ name }) => name)])
  await save(file, kept)
  const document = join(import.meta.dirname, '../../docs/CHAOS.md')
  await writeFile(document, writeTables(await readFile(document, 'utf8'), kept))
  say(`written: ${document}`)
}

async function save(file: string, value: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
  say(`written: ${file}`)
}

function say(line: string): void {
  console.error(`· ${line}`)
}

/** For whoever watches; a log keeps the rows only. */
function tellPhase(fault: string, phase: string): void {
  if (!process.stderr.isTTY) return
  process.stderr.write(`\u001b[2K\r${fault}: ${phase}\n`)
}

try {
  const options = readOptions()
  if (typeof options === 'string') console.log(options)
  else if (options.observe) process.exitCode = await observeFaults({ ...options, say, phase: tellPhase })
  else process.exitCode = await main(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
