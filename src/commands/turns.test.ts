import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('one channel that is flooded leaves places to the others, and gets its own back', async () => {
  const turns = new Turns()
  const { promise, resolve } = Promise.withResolvers<void>()
  const order: number[] = []
  const waiting = Array.from({ length: 2_000 }, (_, i) =>
    turns.run('a:1', async () => {
      await promise
      order.push(i)
    }),
  )
  await expect(turns.run('a:1', async () => 0)).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(await turns.run('b:1', async () => 1)).toBe(1)
  resolve()
  await turns.idle()
  await Promise.all(waiting)
  expect(order).toEqual(Array.from({ length: 2_000 }, (_, i) => i))
  expect(await turns.run('a:1', async () => 2)).toBe(2)
})
