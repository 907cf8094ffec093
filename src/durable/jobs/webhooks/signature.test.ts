import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { webhookConfig } from '../../../platform/index.ts'
import { newWebhookSecret, signatureHeaders, webhookId } from './signature.ts'

const body = '{"text":"grüße, 世界 😀"}'
const id = webhookId('receipts', '0190b6a8-0000-7000-8000-000000000001')

describe('the signature of a webhook', () => {
  it('is verified by the library of Standard Webhooks, and by it only over these bytes, this id and this time', () => {
    const secret = newWebhookSecret()
    const headers = signatureHeaders({ id, time: new Date(), body, secrets: [secret] })
    const receiver = new Webhook(secret)
    expect(receiver.verify(body, headers)).toEqual(JSON.parse(body))
    expect(receiver.verify(Buffer.from(body), headers)).toEqual(JSON.parse(body))
    const later = String(Number(headers['webhook-timestamp']) + 1)
    for (const [text, given] of [
      [`${body} `, headers],
      [body, { ...headers, 'webhook-id': `${id}0` }],
      [body, { ...headers, 'webhook-timestamp': later }],
    ] as const) {
      expect(() => receiver.verify(text, given)).toThrow(WebhookVerificationError)
    }
  })

  it('is made with every secret, so that receivers with the old one and with the new one verify it', () => {
    const [old, next, third] = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()]
    const headers = signatureHeaders({ id, time: new Date(), body, secrets: [next, old] })
    for (const secret of [old, next]) new Webhook(secret).verify(body, headers)
    expect(() => new Webhook(third).verify(body, headers)).toThrow('No matching signature')
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
  })

  it('is dated by the attempt: what is older than five minutes, receivers refuse', () => {
    const secret = newWebhookSecret()
    const time = new Date(Date.now() - 301_000)
    const headers = signatureHeaders({ id, time, body, secrets: [secret] })
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('too old')
  })

  it('names the delivery without a full stop, which would divide what is signed at another place', () => {
    expect(id).toBe('receipts_0190b6a8-0000-7000-8000-000000000001')
  })

  it('comes from secrets that are new each time, and that the configuration takes', () => {
    const secrets = Array.from({ length: 5 }, newWebhookSecret)
    expect(new Set(secrets).size).toBe(5)
    expect(webhookConfig.parse({ url: 'https://shop.example', secrets }).secrets).toEqual(secrets)
  })
})
