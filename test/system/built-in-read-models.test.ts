import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiKey, type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { connect, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

interface Page<Row> {
  readonly rows: readonly Row[]
}

/** What `npm start` runs with. */
describe('built-in read models, as the configuration for development switches them on', () => {
  let cluster: Cluster
  let node: Node
  beforeAll(async () => {
    const file = new URL('../../holdfast.config.dev.json', import.meta.url)
    const { auth: _, ...config } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
    cluster = await startCluster({ nodes: 1, config })
    node = cluster.nodes[0] as Node
  })
  afterAll(() => cluster?.close())

  async function read<Row>(path: string): Promise<readonly Row[]> {
    const response = await fetch(`${node.http}/api/projections/${path}`, { headers: { 'x-api-key': apiKey } })
    const { result, error } = (await response.json()) as { result?: Page<Row>; error?: { message: string } }
    if (!result) throw new Error(error?.message)
    return result.rows
  }
  const append = (channel: string, type: string, data: unknown) =>
    node.api<{ offset: number }>('append', { channel, type, data })

  it('count earthquakes by region, read one’s own writes, and publish what has changed', async () => {
    const client = await connect(node.url, 'ann')
    const live = await subscribe(client, 'regions:quakes')
    const quake = (place: string, mag: number) => ({ properties: { place, mag, time: 1_500_000_000_000 } })
    await append('quakes:all', 'EarthquakeReported', quake('4km W of Castaic, CA', 2.1))
    await append('quakes:all', 'EarthquakeReported', quake('9km N of Ojai, CA', 4.5))
    const { offset } = await append('quakes:all', 'EarthquakeReported', quake('Gulf of Alaska', 5))
    const rows = await read<{ region: string }>(
      `quakes_by_region?order=-quakes,region&limit=5&atLeast=quakes:all@${offset}&withinMs=20000`,
    )
    expect(rows).toMatchObject([
      { region: 'California', quakes: 2, strongest: 4.5, strongest_place: '9km N of Ojai, CA' },
      { region: 'Gulf of Alaska', quakes: 1, strongest: 5 },
    ])
    await until('the page has heard of all', () =>
      JSON.stringify(live.data()).includes('Gulf of Alaska') ? true : undefined,
    )
    client.disconnect()
  })

  it('tell how busy channels are, and what became of the events of a chat', async () => {
    for (const text of ['hello', 'hi']) await append('chat:lobby', 'Said', { text })
    const activity = await until('both are counted', async () => {
      const [row] = await read<{ events: number }>('channel_activity?channel=chat:lobby')
      return row?.events === 2 ? row : undefined
    })
    expect(activity).toMatchObject({ namespace: 'chat', last_type: 'Said', per_minute: expect.any(Number) })
    const settled = await until('they are followed to the end', async () => {
      const rows = await read<{ open: boolean }>('deliveries?order=offset&channel=chat:lobby')
      return rows.length === 2 && rows.every(({ open }) => !open) ? rows : undefined
    })
    expect(settled).toMatchObject([
      { offset: 1, type: 'Said', mirrored: expect.any(String), settled: expect.any(String) },
      { offset: 2 },
    ])
    expect(await read('deliveries?channel=quakes:all')).toEqual([])
  })
})
