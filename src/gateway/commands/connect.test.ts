import { expect, test } from 'vitest'
import type { Subscription } from '../../hub/index.ts'
import { resultOf } from './connect.ts'

const joined: Subscription = {
  position: { epoch: 'e', offset: 20 },
  recoverable: true,
  positioned: true,
  wasRecovering: true,
  recovered: false,
  publications: [],
  join: () => undefined,
}

test('a subscription below the floor is told the first offset there is, unless the application says something', () => {
  expect(resultOf(joined, {}).data).toBeUndefined()
  expect(resultOf({ ...joined, first: 16 }, {}).data).toBe('{"holdfast":{"first":16}}')
  expect(resultOf({ ...joined, first: 16 }, { data: '{"mine":1}' }).data).toBe('{"mine":1}')
  expect(resultOf(undefined, {}).data).toBeUndefined()
})
