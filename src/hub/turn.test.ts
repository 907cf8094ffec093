import { describe, expect, it } from 'vitest'
import { Turn } from './turn.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

describe('the end of a turn', () => {
  it('lets everything be handed over before anything is written, in one callback', async () => {
    const end = new Turn()
    const seen: string[] = []
    end.write({ flush: () => seen.push('first write') })
    end.handOver({
      flush: () => {
        seen.push('hand over')
        end.write({ flush: () => seen.push('second write') })
      },
    })
    expect(seen).toEqual([])
    await turn()
    expect(seen).toEqual(['hand over', 'first write', 'second write'])
  })

  it('leaves to the next turn what comes up while it writes or hands over', async () => {
    const end = new Turn()
    const seen: string[] = []
    const more = (name: string) => ({ flush: () => seen.push(name) })
    end.handOver({ flush: () => end.handOver(more('handed over later')) })
    end.write({ flush: () => end.write(more('written later')) })
    await turn()
    expect(seen).toEqual([])
    await turn()
    expect(seen).toEqual(['handed over later', 'written later'])
  })
})
