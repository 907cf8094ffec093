// Feeds the 1,707 earthquakes of one week of 2018, as the USGS reported them, into `quakes:all`, as any application
// would: over the HTTP API, with an id made from the source's own, so that a second run records nothing twice.
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { v5 } from 'uuid'

interface Feature {
  readonly id: string
  readonly properties: { readonly time: number; readonly mag: number | null; readonly place: string }
}

const channel = 'quakes:all'
/** The UUID namespace of USGS event ids; made up once, and never to change. */
const namespace = 'b7a1f3f4-5f0e-4c58-9c8e-3a1d2e6f9c07'
const api = process.env.HOLDFAST_API ?? 'http://localhost:8000/api'
const apiKey = process.env.HOLDFAST_API_KEY ?? 'dev'
const perSecond = Number(process.env.HOLDFAST_QUAKES_PER_SECOND || 20)

if (process.env.HOLDFAST_SUPERVISED) {
  process.on('disconnect', () => process.exit())
  process.channel?.unref()
}

/** Oldest first. */
async function quakes(): Promise<Feature[]> {
  const text = await readFile(
    new URL('../data/earthquakes.json', import.meta.resolve('vega-datasets')),
    'utf8',
  )
  const { features } = JSON.parse(text) as { features: Feature[] }
  return features.toSorted((a, b) => a.properties.time - b.properties.time)
}

/** What repeating can't help: the answer will be the same. */
class Refused extends Error {}

/** Repeats until it is recorded: the id makes repeating safe. Resolves to whether it was new. */
async function append(quake: Feature): Promise<boolean> {
  for (let delayMs = 250; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    try {
      return await appendOnce(quake)
    } catch (error) {
      if (error instanceof Refused) throw error
      if (delayMs === 1_000) console.log(`waiting for the node: ${(error as Error).message}`)
      await pause(delayMs)
    }
  }
}

async function appendOnce(quake: Feature): Promise<boolean> {
  const response = await fetch(`${api}/append`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
    body: JSON.stringify({
      channel,
      type: 'EarthquakeReported',
      data: quake,
      id: v5(quake.id, namespace),
    }),
    signal: AbortSignal.timeout(10_000),
  })
  const text = await response.text()
  if (response.status >= 500) throw new Error(`HTTP ${response.status}`)
  if (response.status >= 400) throw new Refused(`HTTP ${response.status} ${text}`)
  const { result, error } = JSON.parse(text) as {
    result?: { duplicate: boolean }
    error?: { code: number; message: string }
  }
  if (result) return !result.duplicate
  const message = `${error?.message ?? 'no answer'} (${error?.code ?? '?'})`
  throw error?.code === 100 || error?.code === 111 ? new Error(message) : new Refused(message)
}

async function feed(): Promise<void> {
  const all = await quakes()
  let fresh = 0
  for (const quake of all) {
    if (!(await append(quake))) continue
    if (fresh === 0) console.log(`appending ${all.length} earthquakes to ${channel}, ${perSecond} a second`)
    fresh++
    await pause(1_000 / perSecond)
  }
  console.log(
    fresh === 0
      ? `all ${all.length} earthquakes are in ${channel} already`
      : `done: all ${all.length} earthquakes are in ${channel} (${fresh} of them new)`,
  )
}

try {
  await feed()
} catch (error) {
  console.log(`giving up: ${(error as Error).message}`)
  process.exitCode = 1
}
