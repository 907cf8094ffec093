import { expect, it } from 'vitest'
import { type Leaves, PresenceLeaves } from './presence-leaves.ts'

/** Records what is told, each time as late as `answer` is called. */
function recorder() {
  const told: (readonly Leaves[])[] = []
  let answer = () => {}
  const leaves = new PresenceLeaves(each => {
    told.push(each)
    return new Promise(resolve => {
      answer = resolve
    })
  })
  const turn = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  return { told, leaves, turn, answer: () => answer() }
}

const clientsOf = (told: readonly (readonly Leaves[])[]) =>
  told.map(each => each.flatMap(({ channel, clients }) => clients.map(client => `${channel} ${client}`)))

it('tells the leaves of one turn together, and collects while it tells', async () => {
  const { told, leaves, turn, answer } = recorder()
  const first = leaves.add('a', '1')
  void leaves.add('a', '2')
  void leaves.add('b', '1')
  await turn()
  expect(clientsOf(told)).toEqual([['a 1', 'a 2', 'b 1']])
  void leaves.add('a', '3')
  void leaves.add('c', '3')
  await turn()
  expect(told).toHaveLength(1)
  answer()
  await turn()
  expect(clientsOf(told)[1]).toEqual(['a 3', 'c 3'])
  answer()
  await first
  await leaves.idle()
})

it('takes ten thousand in writes of bounded size', async () => {
  const told: (readonly Leaves[])[] = []
  const leaves = new PresenceLeaves(async each => void told.push(each))
  for (let i = 0; i < 10_000; i++) void leaves.add(i % 2 ? 'hall' : `room-${i}`, `c${i}`)
  await leaves.idle()
  expect(new Set(clientsOf(told).flat()).size).toBe(10_000)
  expect(told.length).toBeLessThan(60)
  for (const each of told) for (const { clients } of each) expect(clients.length).toBeLessThanOrEqual(100)
})

it('does not tell of a client that is back by then', async () => {
  const { told, leaves, turn } = recorder()
  void leaves.add('a', '1')
  void leaves.add('a', '2')
  void leaves.add('b', '1')
  leaves.takeBack('a', '1')
  leaves.takeBack('b', '1')
  leaves.takeBack('c', '1')
  await turn()
  expect(clientsOf(told)).toEqual([['a 2']])
})
