import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Promptness } from './promptness.ts'

function promptnessAt(promptMs = 100) {
  const time = { now: 100_000 }
  const changes: boolean[] = []
  const promptness = new Promptness(
    { promptMs, restMs: { first: 500, most: 2_000 } },
    prompt => changes.push(prompt),
    () => time.now,
  )
  return { time, changes, promptness }
}

const never = new Promise<never>(() => undefined)

describe('a Redis that is waited for', () => {
  it('is given up after the time that a person does not notice, and its answers count until then', async () => {
    const { promptness, changes } = promptnessAt(20)
    expect(await promptness.wait(Promise.resolve('in time'))).toBe('in time')
    await expect(promptness.wait(Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(promptness.prompt).toBe(true)
    await expect(promptness.wait(never)).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
    await expect(promptness.wait(never)).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
    expect(changes).toEqual([false])
  })

  it('is not called slow because this process was busy while the answer lay there', async () => {
    const { promptness } = promptnessAt(20)
    const waited = promptness.wait(delay(10).then(() => 'read late'))
    const end = performance.now() + 80
    while (performance.now() < end);
    expect(await waited).toBe('read late')
    expect(promptness.prompt).toBe(true)
  })

  it('is believed again after answers that were prompt for a while, later each time it relapses', async () => {
    const { promptness, time, changes } = promptnessAt(10)
    for (const rest of [500, 1_000, 2_000, 2_000]) {
      await promptness.wait(never).catch(() => undefined)
      expect(promptness.prompt).toBe(false)
      time.now += rest - 10
      promptness.answered(1)
      expect(promptness.prompt).toBe(false)
      time.now += 10
      promptness.answered(1)
      expect(promptness.prompt).toBe(true)
      time.now += 1_000
    }
    time.now += 60_000
    await promptness.wait(never).catch(() => undefined)
    time.now += 500
    promptness.answered(1)
    expect(promptness.prompt).toBe(true)
    expect(changes).toEqual(Array.from({ length: 10 }, (_, i) => i % 2 === 1))
  })

  it('begins its rest anew with each answer that was not in time', async () => {
    const { promptness, time } = promptnessAt(10)
    await promptness.wait(never).catch(() => undefined)
    for (let i = 0; i < 10; i++) {
      time.now += 400
      promptness.answered(11)
    }
    expect(promptness.prompt).toBe(false)
    time.now += 500
    promptness.answered(9)
    expect(promptness.prompt).toBe(true)
  })
})
