import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConfigInput } from '../../../src/app/index.ts'
import { freePort } from '../../../src/cli/services/free-port.ts'
import { connectPostgres } from '../../../src/platform/index.ts'
import { type Counted, rowText } from '../folds.ts'
import { startProcess } from '../process.ts'
import type { OwnStage } from '../stage.ts'
import type { Effects, Model, Running, Stored, System } from '../types.ts'
import { HoldfastClient } from './client.ts'
import { nodeConfig, tokenSecret } from './config.ts'
import { countedModel, spokenModel } from './read-models.ts'

const bin = fileURLToPath(new URL('../../../bin/holdfast', import.meta.url))
/** Gives nodes their aggregate. */
const setup = new URL('./account.ts', import.meta.url).href
const worker = fileURLToPath(new URL('./effects-worker.ts', import.meta.url))

/** Real `holdfast serve` processes, and two more that handle every event for an ordered and a competing group and in read models. */
export const holdfast: System = holdfastWith({})

interface More {
  /** Over what nodes have anyway. */
  readonly config?: ConfigInput
  /** A module that exports `setup` for nodes, in place of the aggregate's. */
  readonly setup?: string
  /** Workers answer health and metrics on a port of their own. */
  readonly workersListen?: true
}

export function holdfastWith(more: More): System {
  return {
    name: 'holdfast',
    tiers: ['realtime', 'durable'],
    recovers: true,
    decides: true,
    parts: ['postgres', 'workers'],
    start: (stage, nodes) => start(stage as OwnStage, nodes, more),
  }
}

async function start(stage: OwnStage, count: number, more: More): Promise<Running> {
  const { keeper, redis, postgres, directory } = stage
  const config = join(directory, 'holdfast.mjs')
  await writeFile(
    config,
    `export { setup } from ${JSON.stringify(more.setup ?? setup)}\nexport default ${JSON.stringify({ ...nodeConfig, ...more.config })}\n`,
  )
  const deaths: string[] = []
  const env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url, NODE_ENV: 'production' }
  const serve = async (i: number, args: readonly string[] = []) => {
    const port = await freePort()
    return startProcess({
      name: `node-${i}`,
      args: [bin, 'serve', '--json', ...args],
      env: {
        ...env,
        HOLDFAST_CONFIG: config,
        HOLDFAST_PORT: String(port),
        HOLDFAST_TOKEN_HMAC_SECRET: tokenSecret,
      },
      port,
      ready: /listening.*"port":|"port":.*listening/,
      deaths,
      keeper,
    })
  }
  const work = async (i: number) => {
    const port = more.workersListen && (await freePort())
    return startProcess({
      name: `worker-${i}`,
      args: [worker],
      env: { ...env, ...(port !== undefined && { HOLDFAST_PORT: String(port) }) },
      ...(port !== undefined && { port }),
      ready: /^at work$/,
      deaths,
      keeper,
    })
  }

  const first = await serve(0, ['--migrate'])
  // Past the proxy, whatever becomes of that.
  const sql = connectPostgres(postgres.directUrl, { max: 1, applicationName: 'chaos-checker' })
  await sql`create schema chaos`
  await sql`create table chaos.effects (processor text, channel text, value text)`
  const [others, workers] = await Promise.all([
    Promise.all(Array.from({ length: count - 1 }, (_, i) => serve(i + 1))),
    Promise.all([work(0), work(1)]),
  ])
  const nodes = [first, ...others]
  const running: Running = {
    nodes,
    workers,
    deaths,
    client: (node, name) => HoldfastClient.open(`127.0.0.1:${nodes[node]?.port}`, name),
    async stored(channels) {
      const rows = await sql<StoredRow[]>`
        select channel, "offset"::int as "offset", data::json ->> 'value' as value,
               (data::json ->> 'part')::int as part, (data::json ->> 'of')::int as of,
               (data::json ->> 'before')::int as before
        from holdfast.events
        where channel in ${sql(channels)} order by channel, "offset"`
      const found = Map.groupBy(rows, row => row.channel)
      return channels.map(
        (channel): Stored => ({
          channel,
          values: (found.get(channel) ?? []).map(({ value, offset, part, of, before }) => ({
            ...{ value, offset },
            ...(part !== null && of !== null && before !== null && { decided: { part, of, before } }),
          })),
        }),
      )
    },
    async effects(channels) {
      const rows = await sql<{ processor: string; value: string; times: number }[]>`
        select processor, value, count(*)::int as times from chaos.effects
        where channel in ${sql(channels)} group by processor, value`
      return ['ordered', 'competing'].map(
        (processor): Effects => ({
          processor,
          times: Object.fromEntries(
            rows.filter(row => row.processor === processor).map(({ value, times }) => [value, times]),
          ),
        }),
      )
    },
    async models(run) {
      // As anybody with SQL reads them: whichever build readers see.
      const states = await sql<{ key: string; state: Counted }[]>`
        select key, state from holdfast_projections.counted_states where key like ${`%:${run}-%`}`
      const writers = await sql<{ writer: string; times: number }[]>`
        select writer, times from holdfast_projections.spoken_writers where writer like ${`${run}/%`}`
      return [
        {
          projection: 'counted',
          rows: Object.fromEntries(states.map(({ key, state }) => [key, rowText(state)])),
        },
        {
          projection: 'spoken',
          rows: Object.fromEntries(writers.map(({ writer, times }) => [writer, rowText(times)])),
        },
      ] satisfies Model[]
    },
    async audited() {
      const found = await Promise.all(nodes.map(({ port }) => auditLost(port)))
      return found.reduce((sum, lost) => sum + lost, 0)
    },
    async rebuild() {
      for (const projection of [countedModel.name, spokenModel.name]) {
        const status = await api<{ projection: { builds: { build: number; state: string }[] } }>(
          nodes[0]?.port,
          'projections_status',
          { projection },
        )
        const { builds } = status.projection
        for (const { build, state } of builds)
          if (state === 'standby') await api(nodes[0]?.port, 'projections_drop', { projection, build })
        // Of the fault before, and not at its end yet.
        if (!builds.some(({ state }) => state === 'building'))
          await api(nodes[0]?.port, 'projections_rebuild', { projection })
      }
    },
    async stop() {
      await Promise.all([...nodes, ...workers].map(each => each.kill()))
      await sql.end({ timeout: 1 })
    },
  }
  return running
}

/** A node that does not answer has found nothing. */
async function auditLost(port: number | undefined): Promise<number> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })
    .then(response => response.text())
    .catch(() => '')
  return [...text.matchAll(/^holdfast_audit_lost\{.*\} (\S+)/gm)].reduce(
    (sum, [, lost]) => sum + Number(lost),
    0,
  )
}

/** @throws what the node refuses with */
async function api<T>(port: number | undefined, method: string, params: object): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
    method: 'POST',
    headers: { 'x-api-key': nodeConfig.api.key },
    body: JSON.stringify(params),
  })
  const { result, error } = (await response.json()) as { result?: T; error?: { message: string } }
  if (result === undefined) throw new Error(`${method}: ${error?.message}`)
  return result
}

interface StoredRow {
  readonly channel: string
  readonly offset: number
  readonly value: string
  readonly part: number | null
  readonly of: number | null
  readonly before: number | null
}
