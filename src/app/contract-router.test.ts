import { describe, expect, it } from 'vitest'
import { MemoryRouter } from '../../test/support/gateway.ts'
import { contractCheck, type StandardSchemaV1 } from '../contract/index.ts'
import { parseConfig } from '../platform/index.ts'
import { withContract } from './contract-router.ts'

/** Takes numbers only; says so after the time that the number asks for, in turns of the event loop. */
const slow: StandardSchemaV1<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    async validate(value) {
      for (let turn = 0; turn < Number(value); turn++) await new Promise(resolve => setImmediate(resolve))
      return typeof value === 'number' ? { value } : { issues: [{ message: 'expected a number' }] }
    },
  },
}

function given(schema = slow, checkTimeoutMs = 5_000) {
  const { namespaces } = parseConfig({
    namespaces: { order: { tier: 'durable' }, free: { tier: 'durable' } },
  })
  const plain = new MemoryRouter(namespaces)
  const router = withContract(plain, contractCheck({ 'order:{id}': schema }), checkTimeoutMs)
  const append = (data: unknown, channel = 'order:1') =>
    router.append({ channel, type: 'T', data: JSON.stringify(data) })
  const stored = async (channel = 'order:1') => {
    const { publications } = await plain.history({ channel, limit: 100, reverse: false })
    return publications.map(text => (JSON.parse(text) as { data: unknown }).data)
  }
  return { append, stored }
}

describe('what a contract’s asynchronous schema looks at', () => {
  it('is passed on in its order, however long each look takes', async () => {
    const { append, stored } = given()
    const numbers = [9, 0, 5, 3, 0, 1, 7, 0]
    await Promise.all(numbers.map(n => append(n)))
    expect(await stored()).toEqual(numbers)
  })

  it('does not wait for what is refused before it, nor for another channel', async () => {
    const { append, stored } = given()
    const refused = append('word')
    const accepted = append(2)
    await append('anything', 'free:1')
    await expect(refused).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
    await accepted
    expect(await stored()).toEqual([2])
    expect(await stored('free:1')).toEqual(['anything'])
  })

  it('does not wait for ever for a schema that says nothing', async () => {
    const silent: StandardSchemaV1<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: value => (value === 'silent' ? new Promise(() => undefined) : { value: 1 }),
      },
    }
    const { append, stored } = given(silent, 30)
    const hanging = append('silent')
    const behind = append(2)
    await expect(hanging).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
    await behind
    expect(await stored()).toEqual([2])
  })
})
