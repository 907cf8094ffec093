import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../src/cli/services/free-port.ts'
import { connectPostgres } from '../../../src/platform/index.ts'
import { startProcess } from '../process.ts'
import type { OwnStage } from '../stage.ts'
import type { Effects, Running, Stored, System } from '../types.ts'
import { HoldfastClient } from './client.ts'
import { nodeConfig, tokenSecret } from './config.ts'

const bin = fileURLToPath(new URL('../../../bin/holdfast', import.meta.url))
const worker = fileURLToPath(new URL('./effects-worker.ts', import.meta.url))

/** Real `holdfast serve` processes, and two more that handle every event for an ordered and a competing group. */
export const holdfast: System = {
  name: 'holdfast',
  tiers: ['realtime', 'durable'],
  recovers: true,
  parts: ['postgres', 'workers'],
  start: (stage, nodes) => start(stage as OwnStage, nodes),
}

async function start(stage: OwnStage, count: number): Promise<Running> {
  const { keeper, redis, postgres, directory } = stage
  const config = join(directory, 'holdfast.json')
  await writeFile(config, JSON.stringify(nodeConfig))
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
  const work = (i: number) =>
    startProcess({ name: `worker-${i}`, args: [worker], env, ready: /^at work$/, deaths, keeper })

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
    client: (node, name) =>
      HoldfastClient.open(`ws://127.0.0.1:${nodes[node]?.port}/connection/websocket`, name),
    async stored(channels) {
      const rows = await sql<{ channel: string; offset: number; value: string }[]>`
        select channel, "offset"::int as "offset", data::json ->> 'value' as value from holdfast.events
        where channel in ${sql(channels)} order by channel, "offset"`
      const found = Map.groupBy(rows, row => row.channel)
      return channels.map(
        (channel): Stored => ({
          channel,
          values: (found.get(channel) ?? []).map(({ value, offset }) => ({ value, offset })),
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
    async stop() {
      await Promise.all([...nodes, ...workers].map(each => each.kill()))
      await sql.end({ timeout: 1 })
    },
  }
  return running
}
