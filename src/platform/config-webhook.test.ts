import { describe, expect, it } from 'vitest'
import { webhookConfig, webhookSecrets } from './config-webhook.ts'

const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`
const good = { url: 'https://shop.example/hook', secrets: [secretOf(32)] }

function mistakes(input: unknown): string[] {
  const result = webhookConfig.safeParse(input)
  return result.success ? [] : result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
}

describe('the configuration of a webhook', () => {
  it('needs an address and a secret; the rest is careful by default', () => {
    expect(webhookConfig.parse(good)).toEqual({
      ...good,
      headers: {},
      timeoutMs: 10_000,
      maxRedirects: 0,
      allowPrivate: false,
      allowHttp: false,
      contentMode: 'structured',
      disableAfterMs: 432_000_000,
      disableAfterFailures: 20,
      maxResponseBytes: 65_536,
    })
  })

  it('takes http only where it is said, or where private addresses are allowed', () => {
    const url = 'http://shop.example/hook'
    expect(mistakes({ ...good, url })).toEqual(['url: expected https (allowHttp: true permits http)'])
    expect(mistakes({ ...good, url, allowPrivate: true, allowHttp: false })).toHaveLength(1)
    expect(webhookConfig.parse({ ...good, url, allowPrivate: true }).allowHttp).toBe(true)
    expect(webhookConfig.parse({ ...good, url, allowHttp: true }).allowPrivate).toBe(false)
  })

  it.each([
    [{ url: 'ftp://shop.example' }, 'url: expected an http or https URL'],
    [{ url: 'shop' }, 'url: expected an http or https URL'],
    [{ url: 'https://me:pass@shop.example' }, 'url: expected no user and password'],
    [{ secrets: [] }, 'secrets: '],
    [{ secrets: Array(6).fill(secretOf(32)) }, 'secrets: '],
    [{ secrets: ['secret'] }, 'secrets.0: expected whsec_'],
    [{ secrets: [secretOf(23)] }, 'secrets.0: expected whsec_'],
    [{ secrets: [secretOf(65)] }, 'secrets.0: expected whsec_'],
    [{ secrets: [`${secretOf(32)}?`] }, 'secrets.0: expected whsec_'],
    [
      { headers: { 'webhook-id': 'mine' } },
      'headers.webhook-id: expected a header that Holdfast does not set',
    ],
    [{ headers: { 'Content-Length': '1' } }, 'headers.Content-Length: expected a header that'],
    [{ headers: { 'a b': '1' } }, 'headers.a b: expected the name of a header'],
    [{ headers: { a: 'x\r\nb: y' } }, 'headers.a: expected printable ASCII'],
    [{ source: 'my shop' }, 'source: expected a URI reference'],
    [{ timeoutMS: 5 }, ': Unrecognized key'],
  ])('refuses %j', (part, mistake) => {
    const found = mistakes({ ...good, ...part })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(mistake)
  })

  it('takes secrets and headers out of the environment, and names only the variable when it is bad', () => {
    const config = webhookConfig.parse({
      ...good,
      secrets: [secretOf(32), { env: 'HOOK_SECRET' }],
      headers: { authorization: { env: 'HOOK_KEY' }, 'x-shop': 'chairs' },
    })
    const env = { HOOK_SECRET: secretOf(24), HOOK_KEY: 'Bearer 1' }
    expect(webhookSecrets(config, env)).toEqual({
      secrets: [secretOf(32), secretOf(24)],
      headers: { authorization: 'Bearer 1', 'x-shop': 'chairs' },
    })
    expect(() => webhookSecrets(config, { ...env, HOOK_SECRET: '' })).toThrow(/no variable HOOK_SECRET/)
    expect(() => webhookSecrets(config, { ...env, HOOK_KEY: 'a\nb' })).toThrow(/header authorization/)
    const bad = { ...env, HOOK_SECRET: 'swordfish' }
    expect(() => webhookSecrets(config, bad)).toThrow(/the variable HOOK_SECRET: expected whsec_/)
    expect(() => webhookSecrets(config, bad)).not.toThrow(/swordfish/)
  })
})
