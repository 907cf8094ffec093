import { describe, expect, it } from 'vitest'
import { Peers } from './peers.ts'
import type { NodeSheet } from './wire-now.ts'

describe('what other nodes say', () => {
  const sheet = (time: number, everySeconds = 2, bus = 'ready') =>
    ({ id: 'b', name: 'b', time, everySeconds, parts: { bus } }) as NodeSheet

  it('is the latest, over the bus while that is heard, and else through Postgres', () => {
    const peers = new Peers()
    peers.take(sheet(1_000), 'bus', 1_000)
    peers.take(sheet(900), 'bus', 1_100)
    peers.take(sheet(2_000, 5), 'postgres', 2_000)
    expect(peers.views(2_000)).toMatchObject([{ via: 'bus', at: 1_000, heard: true }])
    expect(peers.views(9_000)).toMatchObject([{ heard: false }])
    peers.take(sheet(9_000, 5), 'postgres', 9_000)
    expect(peers.views(9_000)).toMatchObject([{ via: 'postgres', heard: true }])
    expect(peers.views(9_000 + 300_001)).toEqual([])
    peers.take(sheet(500_000), 'bus', 500_000)
    peers.bye('b')
    expect(peers.views(500_000)).toEqual([])
  })

  it('is what a node says that has lost the bus, however long its last word over the bus would hold', () => {
    const peers = new Peers()
    peers.take(sheet(1_000, 10), 'bus', 1_000)
    peers.take(sheet(2_000, 5, 'unreachable'), 'postgres', 2_000)
    expect(peers.views(2_000)).toMatchObject([{ via: 'postgres', at: 2_000 }])
    peers.take(sheet(3_000), 'bus', 3_000)
    expect(peers.views(3_000)).toMatchObject([{ via: 'bus', at: 3_000 }])
  })
})
