import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { enter, forgetful, ownPrefix, remembering, slowMachine } from '../../test/support/realtime-nodes.ts'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { until } from '../../test/support/until.ts'
import { createLogger, ForeignMessages } from '../platform/index.ts'
import { Keys } from './keys.ts'
import { createRealtimeTier } from './realtime-tier.ts'
import type { RealtimeTier } from './tier.ts'

const never = 3_600_000

describe('messages of a release that does not exist yet', () => {
  let redis: Redis
  let keys: Keys
  let foreign: ForeignMessages
  let tier: RealtimeTier

  beforeEach(async () => {
    const prefix = ownPrefix()
    const logger = createLogger('silent')
    redis = new Redis(inject('redisUrl'))
    keys = new Keys(prefix)
    foreign = new ForeignMessages(logger)
    tier = await createRealtimeTier({
      redis: inject('redisUrl'),
      prefix,
      nodeId: `node-${prefix}`,
      logger,
      foreign,
      // What is found is found because of the message.
      timings: { ...slowMachine, positionCheckMs: never },
    })
  })
  afterEach(async () => {
    await tier.close()
    redis.disconnect()
  })

  /** As a node of the next release may do: the same history, and another message about it. */
  async function publishAsNext(channel: string, data: unknown): Promise<void> {
    const { history, meta } = keys.history(channel)
    const offset = await redis.hincrby(meta, 'offset', 1)
    await redis.xadd(history, `${offset}-0`, 'p', JSON.stringify({ data, offset }))
    await redis.publish(keys.bus(channel), `2 next;numbered;${offset}\n${JSON.stringify(data)}`)
  }

  it('leave signals alone, and are counted', async () => {
    const { outlet } = await enter(tier, 's:1', undefined, { options: forgetful })
    for (const message of [
      '2 other all 1\n{"push":{}}',
      '1 other shout 1\n{"push":{}}',
      '1 other all many\n{"push":{}}',
      `1 other some 1 ${encodeURIComponent('{"user":"u","device":"phone"}')}\n{"push":{}}`,
      'no header',
      '',
    ])
      await redis.publish(keys.bus('s:1'), message)
    await redis.publish(keys.bus('s:1'), '1 other all 1 and words of later\n{"push":{"channel":"s:1"}}')
    await until('the known one has come', () => outlet.lines.length > 0)
    expect(outlet.lines).toEqual(['{"push":{"channel":"s:1"}}'])
    expect(foreign.count('signal')).toBe(6)
  })

  it('lead to the history where a session relies on its place', async () => {
    const options = remembering
    await tier.publish({ channel: 'r:1', data: '1', options })
    const { outlet } = await enter(tier, 'r:1', undefined, { options })
    await publishAsNext('r:1', 2)
    await until('it has it', () => outlet.offsets().includes(2))
    expect([outlet.data(), outlet.ended]).toEqual([[2], []])
  })

  it('lead to the history also where a session had read it, and was not live yet', async () => {
    const options = remembering
    await tier.publish({ channel: 'r:2', data: '1', options })
    const outlet = new RecordingOutlet()
    outlet.onEnd = ended => tier.unsubscribe(ended, outlet.client)
    const subscription = await tier.subscribe({ channel: 'r:2', outlet, options })
    await publishAsNext('r:2', 2)
    await until('it has come', () => foreign.count('signal') === 1)
    subscription.join()
    await until('it has it', () => outlet.offsets().includes(2))
    expect([outlet.data(), outlet.ended]).toEqual([[2], []])
  })

  it('are counted where nobody knows a control message', async () => {
    const heard: unknown[] = []
    tier.control.onMessage(message => {
      if ((message as { v?: number }).v !== 1) return 'foreign'
      heard.push(message)
      return undefined
    })
    for (const message of [
      '2 other control 1\n{"v":1}',
      '1 other control 1\n{"v":2}',
      '1 other control 1\nnot JSON',
      '1 other control 1\n{"v":1}',
    ])
      await redis.publish(keys.control(), message)
    tier.control.send({ v: 2 })
    await until('the known one has come', () => heard.length > 0)
    expect(heard).toEqual([{ v: 1 }])
    expect(foreign.count('control')).toBe(3)
  })
})
