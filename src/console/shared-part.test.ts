import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../domain/index.ts'
import { SharedPart } from './shared-part.ts'

describe('an answer that is shared', () => {
  it('is asked for once, and told with its age and the reason where its source is silent', async () => {
    let asked = 0
    let away = false
    const part = new SharedPart(
      async () => {
        asked++
        if (away) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'silent')
        return asked
      },
      { sharedMs: 0 },
    )
    const both = await Promise.all([part.get(), part.get()])
    expect(both.map(({ value }) => value)).toEqual([1, 1])
    away = true
    expect(await part.get()).toMatchObject({ value: 1, at: both[0].at, problem: 'silent' })
  })

  it('is asked for anew once somebody has acted, also where a question from before is under way', async () => {
    let [asked, changedAt] = [0, 0]
    const held: (() => void)[] = []
    const read = async () => {
      const mine = ++asked
      await new Promise<void>(resolve => held.push(resolve))
      return mine
    }
    const part = new SharedPart(read, { sharedMs: 60_000, changedAt: () => changedAt })
    const before = part.get()
    changedAt = performance.now()
    const after = [part.get(), part.get()]
    held[1]?.()
    for (const each of after) expect((await each).value).toBe(2)
    held[0]?.()
    expect((await before).value).toBe(1)
    expect((await part.get()).value).toBe(2)
    expect(asked).toBe(2)
  })

  it('says nothing where it never had one', async () => {
    const part = new SharedPart(() => Promise.reject(new HoldfastError('DEPENDENCY_FAILED', 'away')))
    expect(await part.get()).toMatchObject({ value: null, at: null, problem: 'away' })
  })
})
