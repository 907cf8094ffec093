import { expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  type ChannelOf,
  type Contract,
  defineContract,
  type EventDataOf,
  type EventTypeOf,
  type ParamsOf,
  type PublishDataOf,
} from './index.ts'

const contract = defineContract({
  'order:{id}': {
    OrderPlaced: z.object({ lines: z.array(z.object({ sku: z.string() })) }),
    PaymentCaptured: z.object({ amount: z.number(), note: z.string().optional() }),
  },
  'order:{id}:lines': { LineAdded: z.object({ sku: z.string() }) },
  'room:{room}': z.object({ typing: z.boolean() }),
  'quakes:*': { EarthquakeReported: z.object({ magnitude: z.number() }) },
})
type C = typeof contract

function append<Ch extends ChannelOf<C>, T extends EventTypeOf<C, Ch>>(
  channel: Ch,
  type: T,
  data: EventDataOf<C, Ch, T>,
): unknown {
  return { channel, type, data }
}

it('gives the parameters of a pattern their names', () => {
  expectTypeOf<ParamsOf<'order:{id}'>>().toEqualTypeOf<{ id: string }>()
  expectTypeOf<ParamsOf<'a:{x}:b:{y}'>>().toEqualTypeOf<{ x: string; y: string }>()
  expectTypeOf<keyof ParamsOf<'plain'>>().toEqualTypeOf<never>()
})

it('names channels as template literals', () => {
  expectTypeOf<ChannelOf<C>>().toEqualTypeOf<
    `order:${string}` | `order:${string}:lines` | `room:${string}` | `quakes:${string}`
  >()
  expectTypeOf<ChannelOf<Contract>>().toEqualTypeOf<string>()
})

it('knows the types of events of a channel, and their data', () => {
  expectTypeOf<EventTypeOf<C, 'order:7'>>().toEqualTypeOf<'OrderPlaced' | 'PaymentCaptured'>()
  expectTypeOf<EventTypeOf<C, 'order:7:lines'>>().toEqualTypeOf<'LineAdded'>()
  expectTypeOf<EventTypeOf<C, 'quakes:all:of:them'>>().toEqualTypeOf<'EarthquakeReported'>()
  expectTypeOf<EventDataOf<C, 'order:7', 'PaymentCaptured'>>().toEqualTypeOf<{
    amount: number
    note?: string | undefined
  }>()
  expectTypeOf<PublishDataOf<C, 'room:42'>>().toEqualTypeOf<{ typing: boolean }>()
  expectTypeOf<PublishDataOf<C, 'order:7'>>().toEqualTypeOf<never>()
  expectTypeOf<EventTypeOf<Contract, 'order:7'>>().toEqualTypeOf<string>()
  expectTypeOf<EventDataOf<Contract, 'order:7', 'Any'>>().toEqualTypeOf<unknown>()
})

it('refuses a wrong channel, type or payload before anything runs', () => {
  const id = String(7)
  append(`order:${id}`, 'PaymentCaptured', { amount: 1 })
  append('order:7:lines', 'LineAdded', { sku: 'x' })
  append('room:42', 'publication', { typing: true })
  // @ts-expect-error no such channel
  append('ordr:7', 'PaymentCaptured', { amount: 1 })
  // @ts-expect-error no such type of event
  append('order:7', 'PaymentCapturd', { amount: 1 })
  // @ts-expect-error the amount is a number
  append('order:7', 'PaymentCaptured', { amount: '1' })
  // @ts-expect-error another channel's type of event
  append('order:7', 'LineAdded', { sku: 'x' })
})
