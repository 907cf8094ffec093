import { describe, expect, it } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { createLogger } from '../../platform/index.ts'
import { entryOf } from './entry.ts'
import { PartitionFill } from './fill.ts'
import type { LossRecord } from './loss-record.ts'
import { Mirror } from './mirror.ts'
import type { PartitionMirrors } from './partition-mirror.ts'
import { Sweeper } from './sweeper.ts'

const logger = createLogger('silent')

/** A ledger that gets another epoch when it is told to, and mirrors that say with which epoch's names they were called. */
class Stage {
  readonly ledger = new MemoryLedger()
  readonly applied: { epoch: string; to: number }[] = []
  during: ((call: string) => void) | undefined
  last = 0
  readonly mirrors = this.#at(() => this.ledger.epoch)

  change(): void {
    this.during = undefined
    this.ledger.epoch = 'another'
    this.ledger.losses.begin('another')
  }

  #at(epoch: () => string): PartitionMirrors {
    const step = async <T>(call: string, answer: T): Promise<T> => {
      await new Promise(resolve => setImmediate(resolve))
      this.during?.(call)
      return answer
    }
    const mirrors = {
      get epoch() {
        return epoch()
      },
      logSize: 100,
      at: (fixed: string) => this.#at(() => fixed),
      lease: () => step('lease', true),
      release: () => step('release', undefined),
      renew: () => step('renew', undefined),
      seed: () => step('seed', true),
      checkBudget: () => step('budget', undefined),
      state: () => step('state', { gen: 'g', last: this.last }),
      states: () => step('states', [{ gen: 'g', last: this.last }]),
      apply: async (_: number, { to }: { to: number }) => {
        this.applied.push({ epoch: epoch(), to })
        return step('apply', { code: 'applied', last: to, gen: 'g' })
      },
    }
    return mirrors as unknown as PartitionMirrors
  }
}

describe('an epoch that changes meanwhile', () => {
  it.each(['states', 'record'])(
    'lets the sweeper learn nothing that it read of the old one: %s',
    async at => {
      const stage = new Stage()
      const { ledger, mirrors } = stage
      stage.last = 40
      stage.during = call => call === at && stage.change()
      const written: string[] = []
      const lossRecord = {
        read: async () => {
          stage.during?.('record')
          return { server: 'memory', heads: new Map([[0, 41]]), missed: new Map([[0, { head: 20 }]]) }
        },
        write: async (epoch: string) => written.push(epoch),
        remove: async () => undefined,
      } as unknown as LossRecord
      const fill = new PartitionFill(ledger, mirrors, 'node')
      const sweeper = new Sweeper(
        ledger,
        { mirrors, fill, lossRecord, mirror: new Mirror(mirrors, fill, logger) },
        logger,
      )
      await sweeper.start()
      sweeper.close()
      expect([ledger.epoch, ledger.losses.lostOn, [...ledger.losses.known().heads], written]).toEqual([
        'another',
        undefined,
        [],
        [],
      ])
    },
  )

  it.each(['lease', 'state', 'apply'])('ends a fill, which writes nothing more: %s', async at => {
    const stage = new Stage()
    for (let n = 0; n < 600; n++) stage.ledger.store('order:1', '{}')
    stage.during = call => call === at && stage.change()
    const fill = new PartitionFill(stage.ledger, stage.mirrors, 'node')
    expect(await fill.attempt(0)).toBeUndefined()
    expect(stage.applied.every(({ epoch }) => epoch === 'memory')).toBe(true)
    expect(stage.applied.length).toBeLessThan(2)
  })

  it('drops what waits to be mirrored', async () => {
    const stage = new Stage()
    const fill = new PartitionFill(stage.ledger, stage.mirrors, 'node')
    const mirror = new Mirror(stage.mirrors, fill, logger)
    const store = () => entryOf(stage.ledger.store('order:1', '{}'))
    stage.during = call => {
      if (call !== 'apply') return
      stage.change()
      mirror.reset()
    }
    mirror.add([store()])
    mirror.add([store()])
    await mirror.drained()
    expect(stage.applied).toEqual([{ epoch: 'memory', to: 1 }])
    mirror.add([store()])
    await mirror.drained()
    expect(stage.applied.slice(1)).toEqual([{ epoch: 'another', to: 3 }])
    expect(mirror.unhealed.size).toBe(0)
  })
})
