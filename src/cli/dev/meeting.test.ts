import { describe, expect, it, vi } from 'vitest'
import { given } from '../../testing/index.ts'
import { decisions, participant } from './meeting.ts'
import { addStage, asksToStopRedis, stageVariable } from './stage.ts'

const anna = { id: 'person-anna', name: 'Anna' }
const ben = { id: 'person-ben', name: 'Ben' }
const proposal = '018f0000-0000-7000-8000-000000000001'
const proposed = { type: 'Proposed', data: { proposal, text: 'Ship it', by: anna } } as const

describe('a decision', () => {
  it('is made when a second person agrees', () => {
    given(decisions, proposed)
      .when('agree', { proposal, by: ben })
      .then({ type: 'Agreed', data: { proposal, by: ben } }, { type: 'Decided', data: { proposal } })
  })

  it('takes nobody twice', () => {
    given(decisions, proposed).when('agree', { proposal, by: anna }).then()
  })

  it('is made once', () => {
    const events = [
      proposed,
      { type: 'Agreed', data: { proposal, by: ben } },
      { type: 'Decided', data: { proposal } },
    ] as const
    given(decisions, ...events)
      .when('agree', { proposal, by: { id: 'person-cleo', name: 'Cleo' } })
      .thenRefused('REQUEST_INVALID', /decided already/)
  })

  it('is withdrawn by who has proposed it, and by nobody else', () => {
    given(decisions, proposed)
      .when('withdraw', { proposal, by: anna })
      .then({ type: 'Withdrawn', data: { proposal } })
    given(decisions, proposed)
      .when('withdraw', { proposal, by: ben })
      .thenRefused('REQUEST_INVALID', /only who/)
  })
})

describe('who joins', () => {
  it('is who the browser says, and nobody where it says nothing of a meeting', () => {
    const meeting = { person: 'person-anna', tab: 'tab-00001', name: ' Anna ' }
    expect(participant({ meeting })).toEqual({
      user: 'person-anna',
      info: { name: 'Anna', tab: 'tab-00001' },
    })
    for (const data of [
      undefined,
      'anna',
      {},
      { meeting: { ...meeting, name: ' ' } },
      { meeting: { name: 'x' } },
    ]) {
      expect(participant(data)).toBeUndefined()
    }
  })
})

describe('the stage', () => {
  const stageOf = (env: NodeJS.ProcessEnv, ask?: (message: unknown) => boolean) => {
    const rpc: Record<string, (call: never) => unknown> = {}
    addStage({ rpc: (name: string, hook: () => unknown) => (rpc[name] = hook) } as never, env, ask as never)
    return rpc
  }
  const env = (ownRedis: boolean) => ({
    [stageVariable]: JSON.stringify({ nodes: ['http://localhost:8000'], ownRedis }),
  })

  it('asks its parent to stop the Redis that is its own', () => {
    const ask = vi.fn(() => true)
    const rpc = stageOf(env(true), ask)
    expect(rpc['demo.stage']?.({} as never)).toEqual({ nodes: ['http://localhost:8000'], canStopRedis: true })
    expect(rpc['demo.stop_redis']?.({} as never)).toEqual({ awayMs: 10_000 })
    expect(ask.mock.calls.flat().map(asksToStopRedis)).toEqual([true])
  })

  it('stops no Redis of others, and answers nothing where there is no stage', () => {
    const rpc = stageOf(env(false), () => true)
    expect(rpc['demo.stage']?.({} as never)).toMatchObject({ canStopRedis: false })
    expect(() => rpc['demo.stop_redis']?.({} as never)).toThrow('not ours to stop')
    expect(stageOf({})).toEqual({})
    expect([undefined, null, 'x', { holdfast: 'x' }].map(asksToStopRedis)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})
