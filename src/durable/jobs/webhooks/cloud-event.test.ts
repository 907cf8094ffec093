import { describe, expect, it } from 'vitest'
import type { DeliveredEvent } from '../deliverer.ts'
import { cloudEvent } from './cloud-event.ts'

const event: DeliveredEvent = {
  id: '0190b6a8-0000-7000-8000-000000000001',
  type: 'PaymentCaptured',
  channel: 'order:7',
  offset: 42,
  partition: 3,
  position: 1_000,
  epoch: 'Ep0ch',
  time: Date.UTC(2026, 4, 1, 12, 30, 0, 5),
  data: '{"b":1.10, "a":12345678901234567890,"b":"twice"}',
  info: '{"user":"anna"}',
}
const attributes = {
  specversion: '1.0',
  id: event.id,
  source: '/holdfast/Ep0ch',
  type: 'PaymentCaptured',
  subject: 'order:7',
  time: '2026-05-01T12:30:00.005Z',
  sequence: '0000000000000042',
  epoch: 'Ep0ch',
}
const source = attributes.source

describe('the CloudEvent of an event', () => {
  it('is one JSON object in structured mode, with the application’s bytes as they came', () => {
    const { headers, body } = cloudEvent(event, { contentMode: 'structured', source })
    expect(headers).toEqual({ 'content-type': 'application/cloudevents+json; charset=utf-8' })
    expect(JSON.parse(body)).toEqual({
      ...attributes,
      datacontenttype: 'application/json',
      data: JSON.parse(event.data),
    })
    expect(body.endsWith(`,"data":${event.data}}`)).toBe(true)
    expect(body).not.toContain('anna')
  })

  it('is the data alone in binary mode, with the attributes in headers', () => {
    const { headers, body } = cloudEvent(event, { contentMode: 'binary', source })
    expect(body).toBe(event.data)
    expect(headers).toEqual({
      'content-type': 'application/json',
      ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value])),
    })
  })

  it('has names of attributes as the specification wants them', () => {
    const { body } = cloudEvent(event, { contentMode: 'structured', source })
    for (const name of Object.keys(JSON.parse(body))) expect(name).toMatch(/^[a-z0-9]{1,20}$/)
  })

  it('encodes headers as the HTTP binding says', () => {
    const odd = { ...event, type: 'Euro € 😀 100% "x"\n' }
    const { headers } = cloudEvent(odd, { contentMode: 'binary', source })
    expect(headers['ce-type']).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80%20100%25%20%22x%22%0A')
    expect(decodeURIComponent(headers['ce-type'] ?? '')).toBe(odd.type)
  })

  it('numbers so that texts sort as the numbers do', () => {
    const numbers = [1, 9, 10, 99, 2_147_483_648, Number.MAX_SAFE_INTEGER]
    const texts = numbers.map(offset => {
      const { body } = cloudEvent({ ...event, offset }, { contentMode: 'structured', source })
      return JSON.parse(body).sequence as string
    })
    expect([...texts].sort()).toEqual(texts)
    expect(texts.map(Number)).toEqual(numbers)
  })
})
