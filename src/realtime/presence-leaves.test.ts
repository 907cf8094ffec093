import { expect, it } from 'vitest'
import { type Leaves, PresenceLeaves } from './presence-leaves.ts'

/** Records what is told, each time as late as `answer` is called. */
function recorder() {
  const told: (readonly Leaves[])[] = []
  const present = new Set<string>()
  let answer = (_heard: boolean) => {}
  const leaves = new PresenceLeaves(
    each => {
      told.push(each)
      return new Promise(resolve => {
        answer = resolve
      })
    },
    (channel, client) => present.has(`${channel} ${client}`),
  )
  const turn = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  return { told, leaves, present, turn, answer: (heard = true) => answer(heard) }
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
  const leaves = new PresenceLeaves(
    async each => told.push(each) > 0,
    () => false,
  )
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

it('keeps those that redis did not hear of, but for who is back, and tells them when it is asked to', async () => {
  const { told, leaves, present, turn, answer } = recorder()
  for (const client of ['1', '2', '3']) void leaves.add('a', client)
  await turn()
  present.add('a 2')
  answer(false)
  await turn()
  expect([...leaves.of('a')]).toEqual(['1', '3'])
  expect(told).toHaveLength(1)
  void leaves.tellAgain()
  await turn()
  expect(clientsOf(told)[1]).toEqual(['a 1', 'a 3'])
  answer()
  await leaves.idle()
  expect(leaves.of('a').size).toBe(0)
})

it('keeps no more than a bound', async () => {
  const leaves = new PresenceLeaves(
    async () => false,
    () => false,
  )
  for (let i = 0; i < 100_100; i++) void leaves.add('hall', `c${i}`)
  await leaves.idle()
  expect(leaves.of('hall').size).toBe(100_000)
})
