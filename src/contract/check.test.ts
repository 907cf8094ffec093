import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../domain/index.ts'
import { contractCheck, defineContract, type StandardSchemaV1 } from './index.ts'

const contract = defineContract({
  'order:special': { Anything: z.unknown() },
  'order:{id}': {
    OrderPlaced: z.object({ lines: z.array(z.object({ sku: z.string() })) }),
    toString: z.string(),
  },
  'room:{room}': z.object({ typing: z.boolean() }),
  'late:{id}': { Checked: z.string().refine(async text => text === 'good', 'must be good') },
})
const check = contractCheck(contract)

function refusal(run: () => unknown): HoldfastError {
  try {
    run()
  } catch (error) {
    if (error instanceof HoldfastError) return error
    throw error
  }
  throw new Error('expected a refusal')
}

describe('an event is checked against the contract', () => {
  it('and passes where it matches', () => {
    expect(check('order:7', 'OrderPlaced', { lines: [{ sku: 'a' }] })).toBeUndefined()
    expect(check('room:1', 'publication', { typing: true })).toBeUndefined()
    expect(check('room:1', 'whatever', { typing: false })).toBeUndefined()
  })

  it('and is refused with the place and the reason of the first mistake', () => {
    const error = refusal(() => check('order:7', 'OrderPlaced', { lines: [{ sku: 'a' }, { sku: 5 }] }))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.details.path).toBe('lines.1.sku')
    expect(error.details.reason).toMatch(/string/)
    expect(error.message).toContain('order:7: OrderPlaced at lines.1.sku')
  })

  it('and is refused where the channel does not carry its type', () => {
    const error = refusal(() => check('order:7', 'OrderShipped', {}))
    expect(error.details).toMatchObject({
      path: '',
      reason: 'order:{id} carries OrderPlaced, toString, not "OrderShipped"',
    })
    expect(refusal(() => check('order:7', 'hasOwnProperty', {})).code).toBe('PAYLOAD_INVALID')
  })

  it('by the first pattern that matches', () => {
    expect(check('order:special', 'Anything', 1)).toBeUndefined()
    expect(refusal(() => check('order:special', 'OrderPlaced', { lines: [] })).code).toBe('PAYLOAD_INVALID')
  })

  it('and passes where no pattern names its channel', () => {
    expect(check('elsewhere:1', 'X', 1)).toBeUndefined()
    expect(check('order:7:lines', 'X', 1)).toBeUndefined()
  })

  it('later, where the schema is asynchronous', async () => {
    await expect(check('late:1', 'Checked', 'good')).resolves.toBeUndefined()
    await expect(check('late:1', 'Checked', 'bad')).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
      details: { path: '', reason: 'must be good' },
    })
  })

  it('by any library that follows Standard Schema, with keys as path segments', () => {
    const schema: StandardSchemaV1<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: value =>
          typeof value === 'number'
            ? { value }
            : { issues: [{ message: 'no', path: [{ key: 'a' }, 'b', 0] }] },
      },
    }
    const own = defineContract({ 'n:{n}': { N: schema } })
    expect(contractCheck(own)('n:1', 'N', 1)).toBeUndefined()
    expect(refusal(() => contractCheck(own)('n:1', 'N', 'x')).details).toEqual({
      path: 'a.b.0',
      reason: 'no',
      told: 'N at a.b.0: no',
    })
  })
})

it('refuses a contract with a broken pattern when it is defined', () => {
  expect(refusal(() => defineContract({ 'a:{x}:{x}': z.string() })).code).toBe('CONFIG_INVALID')
  expect(refusal(() => defineContract({ 'a:{}': z.string() })).code).toBe('CONFIG_INVALID')
})
