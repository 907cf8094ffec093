import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { connect } from '../support/sdk.ts'

interface Listed {
  readonly cursors: readonly { readonly channel: string; readonly user: string; readonly lag: number }[]
  readonly next?: string
}

describe('cursors, for operators', () => {
  let cluster: Cluster
  let env: Record<string, string>
  const api = <T>(method: string, body: object) => {
    const [node] = cluster.nodes
    if (!node) throw new Error('there is no node')
    return node.api<T>(method, body)
  }

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 })
    env = { DATABASE_URL: cluster.databaseUrl }
    for (const channel of ['order:1', 'order:2']) {
      for (let n = 0; n < 5; n++) await api('append', { channel, type: 'T', data: n })
    }
    for (const user of ['ann', 'ben', 'cleo']) {
      const client = await connect(cluster.nodes[0]?.url ?? '', user)
      for (const [channel, offset] of [
        ['order:1', 2],
        ['order:2', 5],
      ]) {
        await client.rpc('holdfast.ack', { channel, cursor: 'inbox', offset })
      }
      client.disconnect()
    }
  })
  afterAll(() => cluster?.close())

  it('are listed by the API, with their lag, in pages', async () => {
    const of = await api<Listed>('cursors', { channel: 'order:1', user: 'ann' })
    expect(of).toEqual({
      cursors: [
        {
          channel: 'order:1',
          user: 'ann',
          cursor: 'inbox',
          offset: 2,
          epoch: expect.any(String),
          valid: true,
          head: 5,
          lag: 3,
          moved: expect.any(Number),
          holding: false,
        },
      ],
    })
    const first = await api<Listed>('cursors', { limit: 4 })
    const second = await api<Listed>('cursors', { limit: 4, after: first.next })
    expect([first.cursors.length, second.cursors.length, second.next]).toEqual([4, 2, undefined])
    await expect(api('cursors', { chanel: 'order:1' })).rejects.toMatchObject({ code: 107 })
    await expect(api('cursors', { after: 'rubbish' })).rejects.toMatchObject({ code: 107 })
    await expect(api('remove_cursor', { cursor: 'inbox' })).rejects.toMatchObject({ code: 107 })
  })

  it('say what a user has not read', async () => {
    const { channels, next } = await api<{ channels: readonly object[]; next?: string }>('unread', {
      user: 'ann',
      cursor: 'inbox',
    })
    expect(next).toBeUndefined()
    const common = { cursor: 'inbox', head: 5, more: false, lastType: 'T', lastTime: expect.any(Number) }
    expect(channels).toHaveLength(2)
    expect(channels).toContainEqual({ ...common, channel: 'order:1', offset: 2, unread: 3 })
    expect(channels).toContainEqual({ ...common, channel: 'order:2', offset: 5, unread: 0 })
    await expect(api('unread', {})).rejects.toMatchObject({ code: 107 })
    await expect(api('unread', { user: 'ann', types: 'T' })).rejects.toMatchObject({ code: 107 })
  })

  it('are listed by the command as a table and as JSON', async () => {
    const shown = await holdfast(['cursors', '--channel', 'order:1'], env)
    expect(shown.stdout).toMatch(/CHANNEL +USER +CURSOR +OFFSET +HEAD +LAG/)
    expect(shown.stdout).toMatch(/order:1 +ben +inbox +2 +5 +3 +\d{4}-/)
    expect(shown.stdout.trim().split('\n')).toHaveLength(4)
    const json = await holdfast(['cursors', '--user', 'ben', '--limit', 1, '--json'], env)
    expect(json.json<Listed>()).toMatchObject({ cursors: [{ user: 'ben' }], next: expect.any(String) })
    const part = await holdfast(['cursors', '--limit', 2], env)
    expect(part.stdout).toMatch(/go on with --after \S+/)
  }, 60_000)

  it('are removed by who confirms it, and it is recorded', async () => {
    const one = ['--channel', 'order:1', '--user', 'ann', '--name', 'inbox']
    expect(await holdfast(['cursors', 'remove', ...one], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    })
    expect(await holdfast(['cursors', 'remove', '--name', 'inbox', '--yes'], env)).toMatchObject({ code: 2 })
    const removed = await holdfast(
      ['cursors', 'remove', ...one, '--yes', '--by', 'ops', '--reason', 'asked to'],
      env,
    )
    expect(removed.stdout).toBe('1 cursor removed\n')
    expect(await api('remove_cursor', { user: 'ben', actor: 'backend' })).toEqual({ removed: 2 })
    const left = await api<Listed>('cursors', {})
    expect(left.cursors.map(each => `${each.channel} ${each.user}`).sort()).toEqual([
      'order:1 cleo',
      'order:2 ann',
      'order:2 cleo',
    ])
  }, 60_000)

  it.each(['cursors', 'cursors remove'])('explain %s with an example', async command => {
    const { code, stdout } = await holdfast([...command.split(' '), '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/Examples:\n\s+#/)
  })
})
