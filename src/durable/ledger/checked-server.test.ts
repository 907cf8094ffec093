import { describe, expect, it } from 'vitest'
import type { Sql } from '../../platform/index.ts'
import { CheckedServer } from './checked-server.ts'
import { LossWatch } from './loss-watch.ts'

/** Answers the two questions of a check, in their order, as the servers do that a pool leads to. */
function pool(facts: string, ends: { server: string; epoch?: string; head?: number }): Sql {
  const sane = { fsync: 'on', commit: 'on', encoding: 'UTF8', standby: false, migrated: true }
  const end = { epoch: 'one', head: 0, ...ends, partition: 0, id: null }
  const ask = async ([text = '']: readonly string[]) =>
    text.includes('l.epoch') ? [end] : [{ ...sane, server: facts }]
  return ask as unknown as Sql
}

const stage = () => {
  const watch = new LossWatch('one', 'first')
  const found: string[] = []
  const onEpochFound = (epoch: string) => {
    found.push(epoch)
    return true
  }
  const server = new CheckedServer('first', {
    watch,
    allowUnsafeFsync: false,
    onEpochFound,
    logger: undefined,
  })
  return { watch, server, found }
}

describe('a check', () => {
  it('judges nothing where the two questions were answered by two servers', async () => {
    const { watch, server, found } = stage()
    watch.learn('one', 0, 10)
    const failed = server.check(pool('right', { server: 'older', head: 5 }))
    await expect(failed).rejects.toMatchObject({ code: 'DEPENDENCY_FAILED' })
    expect([watch.lostOn, server.name, server.isDue('right'), found]).toEqual([undefined, 'first', true, []])
  })

  it('judges one that has answered both, and looks at another one at once', async () => {
    const { watch, server } = stage()
    watch.learn('one', 0, 10)
    await expect(server.check(pool('older', { server: 'older', head: 5 }))).rejects.toMatchObject({
      code: 'LEDGER_BEHIND',
    })
    expect([watch.lostOn, server.name, server.isDue('older'), server.isDue('right')]).toEqual([
      'older',
      '',
      false,
      true,
    ])
  })
})
