import { AssertionError } from 'node:assert'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineAggregate } from '../commands/index.ts'
import { HoldfastError } from '../domain/index.ts'
import { defineReducer } from '../projections/index.ts'
import { given } from './given.ts'

type OrderEvent = { type: 'Placed'; data: { cents: number } } | { type: 'Captured'; data: { cents: number } }

const order = defineAggregate({
  pattern: 'order:{id}',
  initial: { due: 0, paid: 0 },
  evolve(state: { due: number; paid: number }, event: OrderEvent) {
    if (event.type === 'Placed') return { ...state, due: event.data.cents }
    return { ...state, paid: state.paid + event.data.cents }
  },
  commands: {
    place: {
      schema: z.object({ cents: z.int().positive() }),
      decide: (state, { cents }) => (state.due > 0 ? [] : { type: 'Placed', data: { cents } }),
    },
    capture: {
      schema: z.object({ parts: z.array(z.int().positive()) }),
      decide(state, { parts }, { params, time }) {
        const sum = parts.reduce((all, cents) => all + cents, 0)
        if (state.paid + sum > state.due) {
          throw new HoldfastError('REQUEST_INVALID', `too much for ${params.id} at ${time}`)
        }
        return parts.map(cents => ({ type: 'Captured', data: { cents } }))
      },
    },
    spoil: {
      decide(state) {
        ;(state as { due: number }).due = 7
        return []
      },
    },
    fail: {
      decide: () => {
        throw new TypeError('a mistake')
      },
    },
    later: { schema: z.string().refine(async () => true), decide: () => [] },
  },
})

const placed: OrderEvent = { type: 'Placed', data: { cents: 10 } }
const captured = (cents: number): OrderEvent => ({ type: 'Captured', data: { cents } })

describe('given an aggregate', () => {
  it('tells the events, the refusal and the state that follow', () => {
    given(order).when('place', { cents: 10 }).then(placed)
    given(order, placed).when('place', { cents: 10 }).then()
    given(order, placed, captured(2))
      .when('capture', { parts: [3, 5] })
      .then(captured(3), captured(5))
    given(order, placed)
      .when('capture', { parts: [4] })
      .thenState({ due: 10, paid: 4 })
    given(order, placed, captured(1)).thenState({ due: 10, paid: 1 })
    const late = given(order, placed).when('capture', { parts: [11] }, { channel: 'order:7', time: 5 })
    late.thenRefused('REQUEST_INVALID', 'too much for 7 at 5')
    late.thenRefused('REQUEST_INVALID', /^too much/)
    given(order).when('place', { cents: -1 }).thenRefused('PAYLOAD_INVALID')
  })

  it.each([
    ['other events', () => given(order).when('place', { cents: 9 }).then(placed)],
    [
      'fewer events',
      () =>
        given(order, placed)
          .when('capture', { parts: [1, 1] })
          .then(captured(1)),
    ],
    ['no events', () => given(order).when('place', { cents: 9 }).then()],
    ['events where it is refused', () => given(order).when('place', { cents: -1 }).then(placed)],
    [
      'a refusal where it is not',
      () => given(order).when('place', { cents: 1 }).thenRefused('REQUEST_INVALID'),
    ],
    ['another code', () => given(order).when('place', { cents: -1 }).thenRefused('REQUEST_INVALID')],
    [
      'another message',
      () =>
        given(order)
          .when('capture', { parts: [1] })
          .thenRefused('REQUEST_INVALID', 'no'),
    ],
    ['another state', () => given(order, placed).thenState({ due: 10, paid: 1 })],
    [
      'a state where it is refused',
      () => given(order).when('place', { cents: -1 }).thenState({ due: 0, paid: 0 }),
    ],
    ['an unknown command', () => given(order).when('burn' as 'place', { cents: 1 })],
    ['a foreign channel', () => given(order).when('place', { cents: 1 }, { channel: 'room:1' })],
  ])('fails where %s are expected', (_, act) => {
    expect(act).toThrow(AssertionError)
  })

  it('fails where a definition changes its state, makes a mistake, or cannot be judged at once', () => {
    expect(() => given(order, placed).when('spoil')).toThrow(TypeError)
    expect(() => given(order, placed).when('fail')).toThrow('a mistake')
    expect(() => given(order, placed).when('later', 'x')).toThrow('asynchronous')
  })
})

describe('given an aggregate as the server runs it', () => {
  const vault = defineAggregate({
    pattern: 'vault:{id}',
    initial: { opened: new Date(0), key: new Uint8Array([7]), seen: new Set<string>() },
    evolve: () => undefined,
    commands: {
      look: { decide: ({ opened, key }) => ({ type: 'Seen', data: [opened.getTime(), key[0]] }) },
      flood: {
        decide: (_, input) => Array((input as { n: number }).n).fill({ type: 'Noted', data: '' }),
      },
      swell: { decide: () => ({ type: 'Noted', data: 'x'.repeat(4_194_304) }) },
      promise: { decide: (async () => []) as never },
    },
  })

  it('begins with a copy of the initial state, whatever it holds', () => {
    given(vault)
      .when('look')
      .then({ type: 'Seen', data: [0, 7] } as never)
  })

  it('has the bounds of the server', () => {
    expect(() => given(vault).when('flood', { n: 100 })).not.toThrow()
    expect(() => given(vault).when('flood', { n: 101 })).toThrow('at most 100 events')
    expect(() => given(vault).when('swell')).toThrow('characters of data')
    expect(() => given(vault).when('promise')).toThrow('got a promise')
  })
})

describe('given a reducer', () => {
  const totals = defineReducer({
    name: 'totals',
    version: 1,
    channels: ['order:{id}', 'refund:{id}'],
    types: ['Captured', 'Closed'],
    key: event => (event.params['id'] === 'none' ? undefined : event.params['id']),
    initial: key => ({ key, cents: 0 }),
    evolve: (state, { type, data }) =>
      type === 'Closed' ? null : { ...state, cents: state.cents + (data as { cents: number }).cents },
  })
  const events = [
    { channel: 'order:7', type: 'Captured', data: { cents: 3 } },
    { channel: 'refund:7', type: 'Captured', data: { cents: -1 } },
    { channel: 'order:8', type: 'Captured', data: { cents: 5 } },
    { channel: 'order:8', type: 'Closed', data: null },
    { channel: 'order:none', type: 'Captured', data: { cents: 5 } },
    { channel: 'order:7', type: 'Placed', data: { cents: 100 } },
    { channel: 'room:7', type: 'Captured', data: { cents: 100 } },
    { type: 'Captured', data: { cents: 1 } },
  ]

  it('tells the states that events make, of those that it asks for', () => {
    given(totals).then({})
    given(totals, ...events).then({ 7: { key: '7', cents: 2 }, id: { key: 'id', cents: 1 } })
  })

  it('fails where they are others', () => {
    expect(() => given(totals, ...events).then({ 7: { key: '7', cents: 2 } })).toThrow(AssertionError)
    expect(() => given(totals).then({ 7: { key: '7', cents: 0 } })).toThrow(AssertionError)
  })
})
