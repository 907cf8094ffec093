// `npm run bench`: starts everything it measures, measures it beside the usual way, and takes everything down again.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { append } from './parts/append.ts'
import { deliveries } from './parts/deliveries.ts'
import { manyRooms, oneRoom } from './parts/fan-out.ts'
import { ledger } from './parts/ledger.ts'
import { memory } from './parts/memory.ts'
import type { Bench, PartDefinition } from './parts/part.ts'
import { rebuild } from './parts/rebuild.ts'
import { replay } from './parts/replay.ts'
import { sink } from './parts/sink.ts'
import { telemetry } from './parts/telemetry.ts'
import { turn } from './parts/turn.ts'
import { falls, type Recorded, type Report, ratiosOf, readRecorded, recordOver } from './report/record.ts'
import type { Part } from './report/rows.ts'
import { figure, table } from './report/table.ts'
import { machineFacts } from './stage/machine.ts'
import { Stage } from './stage/stage.ts'
import { serviceVersions } from './stage/versions.ts'

const all: readonly PartDefinition[] = [oneRoom, manyRooms, turn, append, ledger, replay, memory]
/** Takes minutes: only when it is named. */
const onRequest: readonly PartDefinition[] = [deliveries, rebuild, sink, telemetry]
const known = [...all, ...onRequest]
const recordedFile = new URL('./results/recorded.json', import.meta.url)

const usage = `npm run bench -- [parts] [options]
  --only NAMES     parts to run, as named alone, separated by commas: ${all.map(part => part.name).join(', ')};
                   only when named: ${onRequest.map(part => part.name).join(', ')}
  --seconds N      length of each measured window (default 2)
  --events N       what rebuild has to go through (default 1,000,000)
  --json PATH      where the JSON goes (default bench/results/last.json)
  --record         keep this run's ratios in bench/results/recorded.json
  --profile DIR    let each node write a CPU profile there; its figures are then not to be recorded
  --check          fail where a ratio has fallen to less than half of the recorded one
  --help`

interface Options {
  readonly parts: readonly PartDefinition[]
  readonly seconds: number
  readonly events: number
  readonly json: string
  readonly record: boolean
  readonly check: boolean
  readonly profile: string | undefined
}

function readOptions(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      events: { type: 'string', default: '1000000' },
      json: { type: 'string', default: fileURLToPath(new URL('./results/last.json', import.meta.url)) },
      record: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const wanted = [...positionals, ...(values.only?.split(',') ?? [])]
  const names = wanted.length > 0 ? wanted : all.map(part => part.name)
  const unknown = names.filter(name => !known.some(part => part.name === name))
  if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}\n${usage}`)
  const seconds = Number(values.seconds)
  if (!(seconds > 0)) throw new Error(`--seconds: expected a number above 0, got "${values.seconds}"`)
  const events = Number(values.events)
  if (!(events >= 1_000)) throw new Error(`--events: expected at least 1000, got "${values.events}"`)
  const { json, record, check, profile } = values
  return {
    parts: known.filter(part => names.includes(part.name)),
    seconds,
    events,
    json,
    record,
    check,
    profile,
  }
}

async function main(options: Options): Promise<number> {
  await using stage = new Stage(say, options.profile)
  const startedAt = performance.now()
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, async () => {
      stopping = true
      say('stopping')
      await stage[Symbol.asyncDispose]()
      process.exit(130)
    })
  }
  const recorded = options.check ? await readRecorded(recordedFile) : undefined
  if (options.check && !recorded) throw new Error('nothing is recorded yet: run with --record first')
  const { seconds, events } = options
  const bench: Bench = { stage, seconds, events, say }
  const parts: Part[] = []
  const failed: string[] = []
  for (const definition of options.parts) {
    try {
      parts.push(await measure(definition, bench, recorded))
    } catch (error) {
      // The processes it talked to are being ended; what that looks like from inside tells nothing.
      if (stopping) return 130
      failed.push(definition.name)
      say(`${definition.name} failed: ${told(error)}`)
    }
  }
  const report: Report = {
    at: new Date().toISOString(),
    seconds: options.seconds,
    machine: { ...machineFacts(), services: await serviceVersions(stage) },
    ratios: Object.fromEntries(
      ratiosOf(parts).flatMap(({ key, value }) => (value === undefined ? [] : [[key, round(value)]])),
    ),
    parts,
  }
  console.log(`\n${table(parts)}`)
  console.log(`measured in ${Math.round((performance.now() - startedAt) / 1000)} s\n`)
  await save(options.json, report)
  if (options.record)
    await save(fileURLToPath(recordedFile), recordOver(await readRecorded(recordedFile), report))
  if (failed.length > 0) console.error(`failed and not in the tables: ${failed.join(', ')} (see above)`)
  const judged = recorded ? judge(parts, recorded) : 0
  return failed.length > 0 ? 1 : judged
}

/** With a recorded run to compare with, a part that has fallen is measured once more before it counts. */
async function measure(
  definition: PartDefinition,
  bench: Bench,
  recorded: Recorded | undefined,
): Promise<Part> {
  const once = async (): Promise<Part> => {
    const { name, title } = definition
    return { name, title, ...(await definition.measure(bench)) }
  }
  const part = await once()
  if (!recorded || falls([part], recorded).length === 0) return part
  say(`${definition.name}: below half of what is recorded, measuring once more`)
  return once()
}

function judge(parts: readonly Part[], recorded: Recorded): number {
  const fallen = falls(parts, recorded)
  for (const { key, recorded: before, now } of fallen) {
    console.error(`${key} has fallen to ${figure(now)}; recorded: ${figure(before)}`)
  }
  if (fallen.length === 0) console.log('no ratio has fallen to less than half of the recorded one')
  return fallen.length === 0 ? 0 : 1
}

async function save(file: string, value: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
  say(`written: ${file}`)
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}

function say(line: string): void {
  console.error(`· ${line}`)
}

try {
  const options = readOptions()
  if (options) process.exitCode = await main(options)
  else console.log(usage)
} catch (error) {
  console.error(told(error))
  process.exitCode = 1
}

function told(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
