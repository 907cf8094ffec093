import { describe, expect, it } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { Heads } from './heads.ts'
import { History } from './history.ts'
import { Pages } from './pages.ts'
import { linesOf } from './run.ts'

const channel = 'order:1'

describe('when the ledger gets another epoch', () => {
  it('a page that is asked for afterwards is not one that was asked for before', async () => {
    const ledger = new MemoryLedger()
    const pages = new Pages(ledger, undefined)
    ledger.store(channel, '"lost with the old epoch"')
    ledger.turns = () => 5
    const before = pages.read(channel, 0, 10)
    await new Promise(resolve => setTimeout(resolve, 0))
    await new Promise(resolve => setImmediate(resolve))
    ledger.epoch = 'another'
    ledger.events.length = 0
    ledger.store(channel, '"of the new one"')
    const after = await pages.read(channel, 0, 10)
    expect(after.kind === 'page' && linesOf(after.page.run)[0]).toContain('of the new one')
    expect((await before).kind).toBe('page')
  })

  it('a place of the old one is refused by the very answer that tells of it', async () => {
    const ledger = new MemoryLedger()
    const history = new History(ledger, new Heads(ledger), new Pages(ledger, undefined))
    for (let n = 0; n < 5; n++) ledger.store(channel, '{}')
    ledger.turns = () => {
      ledger.epoch = 'another'
      return 1
    }
    const since = { offset: 2, epoch: 'memory' }
    const page = history.read({ channel, since, limit: 10, reverse: false })
    await expect(page).rejects.toMatchObject({ code: 'POSITION_LOST', details: { epoch: 'another' } })
  })
})
