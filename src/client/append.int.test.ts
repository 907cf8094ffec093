import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fate, Script, type ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import { type Client, type ClientOptions, codes, createClient } from './index.ts'

describe('appending over a network that fails', () => {
  let script: Script
  let nodes: ScriptedNode[]
  const clients: Client[] = []
  beforeEach(async () => {
    script = new Script()
    nodes = [await script.node(), await script.node()]
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await script.close()
  })

  function client(options: ClientOptions = {}): Client {
    const urls = nodes.map(node => node.url)
    const made = createClient(urls, { reconnectDelayMs: { min: 1, max: 20 }, timeoutMs: 2_000, ...options })
    clients.push(made)
    return made
  }

  /** The fates of the first attempts, whoever makes them; then all goes well. */
  function fates(...list: Fate[]): void {
    script.fate = () => list.shift() ?? 'answer'
  }

  it('repeats with the same id where the request was lost, on the next node', async () => {
    fates('lose_request')
    const appending = client()
    await appending.connect()
    const done = await appending.channel('order:7').append('Placed', { n: 1 })
    expect(done).toMatchObject({ offset: 1, epoch: 'epoch-1', duplicate: false, time: expect.any(Number) })
    expect(new Set(script.appends.map(each => each.id)).size).toBe(1)
    expect(nodes.map(node => node.opened)).toEqual([1, 1])
    expect(appending.url).toContain(nodes[1]?.url)
  })

  it('meets its own success where only the reply was lost', async () => {
    fates('lose_reply', 'lose_reply')
    const appending = client()
    await appending.connect()
    const done = await appending.channel('order:7').append('Placed', { n: 1 })
    expect(done).toMatchObject({ offset: 1, duplicate: true, id: script.appends[0]?.id })
    expect(script.events('order:7')).toHaveLength(1)
    expect(script.appends).toHaveLength(3)
  })

  it('repeats temporary errors, and a reply that never comes', async () => {
    fates(
      { error: { code: 100, message: 'internal', temporary: true } },
      { error: { code: 111, message: 'slow' } },
      'never',
    )
    const appending = client({ timeoutMs: 100 })
    await appending.connect()
    expect(await appending.channel('order:7').append('Placed', {})).toMatchObject({ offset: 1 })
    expect(script.appends).toHaveLength(4)
    // The node answers the probe, so the connection is kept.
    await until('it was probed', () => script.calls.some(call => call.method === 'holdfast.ping'))
    expect(nodes.map(node => node.opened)).toEqual([1, 0])
  })

  it('leaves a frozen node for another one', async () => {
    const appending = client({ timeoutMs: 150 })
    await appending.connect()
    const [frozen] = nodes
    if (frozen) frozen.frozen = true
    expect(await appending.channel('order:7').append('Placed', {})).toMatchObject({ offset: 1 })
    expect(appending.url).toContain(nodes[1]?.url)
  })

  it('records in the order of issue whatever fails', async () => {
    const kinds: Fate[] = [
      'lose_request',
      'lose_reply',
      { error: { code: 111, message: 'slow', temporary: true } },
    ]
    let attempt = 0
    // Two of three attempts fail, in all ways by turns.
    script.fate = () => (attempt++ % 3 === 2 ? 'answer' : (kinds[attempt % kinds.length] ?? 'answer'))
    const appending = client()
    await appending.connect()
    const numbers = Array.from({ length: 12 }, (_, n) => n)
    const done = await Promise.all(
      numbers.map(n => appending.channel(`order:${n % 2}`).append('Placed', { n })),
    )
    expect(script.appends.length).toBeGreaterThan(12)
    for (const parity of [0, 1]) {
      const own = numbers.filter(n => n % 2 === parity)
      expect(script.events(`order:${parity}`).map(event => event.data)).toEqual(own.map(n => ({ n })))
      expect(own.map(n => done[n]?.offset)).toEqual(own.map((_, i) => i + 1))
    }
  })

  it('takes the data as it was when the append was issued', async () => {
    fates('lose_request')
    const appending = client()
    const data = { n: 1 }
    const done = appending.channel('order:7').append('Placed', data)
    data.n = 2
    await appending.connect()
    await done
    expect(script.appends.map(each => each.data)).toEqual([{ n: 1 }, { n: 1 }])
  })

  it('rejects what cannot be repeated, and goes on with the next', async () => {
    const appending = client()
    await appending.connect()
    const channel = appending.channel('order:7')
    await channel.append('Placed', {})
    const conflict = channel.append('Placed', {}, { expectedOffset: 0 })
    const next = channel.append('Placed', {}, { expectedOffset: 1 })
    await expect(conflict).rejects.toMatchObject({
      name: 'HoldfastClientError',
      code: 409,
      head: 1,
      temporary: false,
    })
    expect(await next).toMatchObject({ offset: 2 })
    fates({ error: { code: 103, message: 'permission denied' } })
    await expect(channel.append('Placed', {})).rejects.toMatchObject({ code: codes.permissionDenied })
    await expect(channel.append('Placed', 1n)).rejects.toMatchObject({ code: codes.notSerialisable })
    await expect(channel.append('Placed', undefined)).rejects.toMatchObject({ code: codes.notSerialisable })
  })

  it('says where the application’s own trace stands as it was when it was called, and does without over errors', async () => {
    fates('lose_request')
    const traces: unknown[] = ['00-a', undefined, 7, '00-b', '00-c']
    const failed: unknown[] = []
    const appending = client({
      traceparent: () => {
        if (traces.length === 0) throw new Error('no tracer')
        return traces.shift() as string
      },
      onError: error => failed.push(error),
    })
    await appending.connect()
    const channel = appending.channel('order:7')
    for (let n = 0; n < 3; n++) await channel.append('Placed', { n })
    void channel.command('capture').catch(() => undefined)
    void channel.signal('offer', {}).catch(() => undefined)
    await channel.append('Placed', { n: 3 })
    const told = (method: string) =>
      script.calls
        .filter(call => call.method === method)
        .map(({ data }) => (data as { traceparent?: unknown }).traceparent)
    // A repeat is the same message, whatever the application does meanwhile.
    expect(told('holdfast.append')).toEqual(['00-a', '00-a', undefined, undefined, undefined])
    expect(told('holdfast.command')).toEqual(['00-b'])
    expect(told('holdfast.signal')).toEqual(['00-c'])
    expect(failed).toMatchObject([{ message: 'no tracer' }])
  })

  it('ends with the connection: by disconnect, and by the server’s final word', async () => {
    const appending = client()
    const waiting = appending.channel('order:7').append('Placed', {})
    expect(appending.pendingAppends).toBe(1)
    appending.disconnect()
    await expect(waiting).rejects.toMatchObject({ code: codes.disconnected })

    script.fate = () => 'never'
    await appending.connect()
    const sent = appending.channel('order:7').append('Placed', {})
    await until('it was sent', () => script.appends.length > 0)
    nodes[0]?.disconnect(3500, 'invalid token')
    await expect(sent).rejects.toMatchObject({ code: 3500, temporary: false })
    expect(appending.state).toBe('disconnected')
    expect(appending.pendingAppends).toBe(0)
  })

  it('rejects connecting where the server refuses, and no one has to wait for it', async () => {
    script.connectError = { code: 101, message: 'unauthorized' }
    const refused = client()
    void refused.connect()
    await until('it is refused', () => refused.state === 'disconnected')
    await expect(refused.connect()).rejects.toMatchObject({ name: 'HoldfastClientError' })
  })
})
