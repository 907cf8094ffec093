import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../src/cli/services/free-port.ts'
import { until } from '../support/until.ts'
import { type Checkout, cloneCheckout, interrupt, type Running } from './checkout.ts'
import { stillRunning } from './processes.ts'

const ready = /Holdfast is running/
/** `npm ci` of a fresh clone is part of the first start. */
const firstStartMs = 300_000

interface Printed {
  offset: number
  id: string
  type: string
  data: { properties: { mag: number } }
}

// The family of a process is read from /proc.
describe.runIf(process.platform === 'linux')('a fresh clone in a folder that nobody else may enter', () => {
  let checkout: Checkout
  let basePort: number
  let current: Running | undefined

  const start = (env: Record<string, string> = {}, args: readonly string[] = []) => {
    current = checkout.npm(['start', '--', ...args], { HOLDFAST_PORT: String(basePort), ...env })
    return current
  }
  const tail = async (channel: string, ...args: string[]) => {
    const url = `ws://localhost:${basePort + 1}`
    const { stdout } = await checkout.holdfast([
      'tail',
      channel,
      '--since',
      '0',
      '--json',
      '--url',
      url,
      ...args,
    ])
    return stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Printed)
  }
  const append = (id: string) =>
    checkout.holdfast([
      'append',
      'chat:lobby',
      'Said',
      '{}',
      '--id',
      id,
      '--url',
      `ws://localhost:${basePort}`,
    ])

  beforeAll(async () => {
    checkout = await cloneCheckout()
    basePort = await twoFreePorts()
  }, 60_000)

  afterEach(async () => {
    if (current && current.process.exitCode === null && current.process.signalCode === null)
      await interrupt(current)
    current = undefined
  })

  afterAll(async () => {
    await checkout?.remove()
  })

  it(
    'starts without a Redis, says so, feeds real events and carries them to the other node',
    async () => {
      const running = start({ PATH: checkout.path({ redis: false }), HOLDFAST_NO_INSTALL: '1' })
      await running.says(ready, firstStartMs)
      expect(running.output()).toMatch(/npm ci.*because node_modules is missing/)
      expect(running.output()).toMatch(/starting without Redis: .*HOLDFAST_NO_INSTALL/)
      expect(running.output()).toMatch(/to help: docker compose up -d redis/)
      expect(running.output()).not.toMatch(/npm warn.*(install scripts|allow-?scripts)/i)
      const quakes = await tail('quakes:all', '--limit', '20')
      expect(quakes.map(quake => quake.offset)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
      expect(quakes.every(quake => quake.type === 'EarthquakeReported')).toBe(true)
      expect(quakes[0]?.data.properties.mag).toBeTypeOf('number')
      expect(await interrupt(running)).toEqual([])
    },
    firstStartMs + 60_000,
  )

  it('takes up the same data at the second start, records no earthquake twice, and refuses a third beside it', async () => {
    const running = start()
    await running.says(ready)
    expect(running.output()).not.toMatch(/npm ci|without Redis/)
    const before = await tail('quakes:all', '--limit', '20')
    await until(
      'new earthquakes arrive',
      async () => (await tail('quakes:all', '--no-follow')).length > 100,
      60_000,
    )
    const all = await tail('quakes:all', '--no-follow')
    expect(all.slice(0, 20)).toEqual(before)
    expect(new Set(all.map(quake => quake.id)).size).toBe(all.length)
    expect(all.map(quake => quake.offset)).toEqual(all.map((_, i) => i + 1))

    const beside = checkout.npm(['start'], { HOLDFAST_PORT: '0' })
    expect(await beside.ended()).toBe(1)
    expect(beside.output()).toMatch(/already running in this folder \(process \d+\)/)
    expect(beside.output()).not.toMatch(/^\s+at /m)
    expect(await interrupt(running)).toEqual([])
  }, 180_000)

  it('names the port that is taken and the variable to change, and stops what it has started', async () => {
    const taken = createServer()
    await once(taken.listen(basePort + 1, '127.0.0.1'), 'listening')
    try {
      const running = start()
      expect(await running.ended()).toBe(1)
      expect(running.output()).toMatch(new RegExp(`port ${basePort + 1} is in use[\\s\\S]*HOLDFAST_PORT=`))
      expect(running.output()).not.toMatch(/^\s+at /m)
    } finally {
      await new Promise(resolve => taken.close(resolve))
    }
  }, 60_000)

  it('starts a killed node again, and clients go on', async () => {
    const running = start({}, ['--no-quakes'])
    await running.says(ready)
    const node = running.family().filter(({ command }) => /bin\/holdfast serve/.test(command))[0]
    process.kill(node?.pid ?? 0, 'SIGKILL')
    await running.says(/the node on port \d+ is back/)
    await append('018f0000-0000-7000-8000-000000000001')
    expect(await interrupt(running)).toEqual([])
  }, 120_000)

  it('leaves nothing behind when it is killed, and keeps what was acknowledged', async () => {
    const running = start({}, ['--no-quakes'])
    await running.says(ready)
    await append('018f0000-0000-7000-8000-000000000002')
    const everyone = running.family()
    const dev = everyone.find(({ command }) => /bin\/holdfast dev/.test(command))
    process.kill(dev?.pid ?? 0, 'SIGKILL')
    await until('its children are gone', () => stillRunning(everyone).length === 0, 20_000).catch(
      () => undefined,
    )
    expect(stillRunning(everyone)).toEqual([])

    const again = start({}, ['--no-quakes'])
    await again.says(ready)
    expect((await tail('chat:lobby', '--no-follow')).map(event => event.id)).toEqual([
      '018f0000-0000-7000-8000-000000000001',
      '018f0000-0000-7000-8000-000000000002',
    ])
    expect(await interrupt(again)).toEqual([])
  }, 180_000)
})

async function twoFreePorts(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const next = createServer()
    const free = await new Promise<boolean>(resolve => {
      next.once('error', () => resolve(false))
      next.listen(port + 1, '127.0.0.1', () => resolve(true))
    })
    await new Promise(resolve => next.close(resolve))
    if (free && port < 60_000) return port
  }
}
