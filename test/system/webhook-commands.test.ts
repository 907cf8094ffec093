import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newEventId } from '../../src/domain/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { type CommandResult, holdfast } from '../support/command.ts'
import { type RawHttp, rawHttp, reply } from '../support/raw-http.ts'

let cluster: Cluster
let node: Node
let sql: Sql
let to: RawHttp
let answer: string
let folder: string
let secret: string

function webhooks(...args: readonly string[]): Promise<CommandResult> {
  return holdfast(['webhooks', ...args], {
    DATABASE_URL: cluster.databaseUrl,
    HOLDFAST_CONFIG: join(folder, 'holdfast.json'),
    HOOK_SECRET: secret,
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-webhooks-'))
  answer = reply(204)
  to = await rawHttp(socket => socket.write(answer))
  cluster = await startCluster({ nodes: 1 })
  node = cluster.nodes[0] as Node
  sql = connectPostgres(cluster.databaseUrl, { max: 1, applicationName: 'holdfast-test' })
  secret = (await webhooks('secret')).stdout.trim()
  const webhook = { url: `${to.url}/hooks`, secrets: [{ env: 'HOOK_SECRET' }], allowPrivate: true }
  const rules = {
    shop: { on: { channel: 'order:{id}' }, webhook },
    inside: { on: { channel: 'order:{id}' }, webhook: { ...webhook, allowPrivate: false, allowHttp: true } },
    mail: { on: { channel: 'order:{id}' }, handler: 'mail' },
  }
  await writeFile(join(folder, 'holdfast.json'), JSON.stringify({ jobs: { rules } }))
  // As workers with this configuration would have declared them, and as things went since.
  for (const [name, target] of [
    ['shop', 'webhook'],
    ['mail', 'handler'],
  ] as const) {
    await sql`insert into holdfast.job_rules (name, starts, epoch, created, definition, seen)
      values (${name}, '{}', 'e', 0, ${JSON.stringify({ target })}, 0)`
  }
  await sql`insert into holdfast.deliveries
    (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
    values ('rule/shop', 0, 1, 'order:1', 1, ${newEventId()}, 'Placed', 'parked', 0, 0)`
})
afterAll(async () => {
  await sql?.end({ timeout: 1 })
  await cluster?.close()
  await to?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('holdfast webhooks', () => {
  it('lists, disables and enables what workers have declared, on record', async () => {
    const list = async () => (await webhooks('list')).stdout
    expect(await list()).toMatch(
      /^NAME +STATE +SINCE +FAILURES +ON THEIR WAY +PARKED +REASON\nshop +well +0 +0 +1\n$/,
    )
    const disabled = await webhooks('disable', 'shop', '--reason', 'they move', '--by', 'anna')
    expect(disabled).toMatchObject({ code: 0, stdout: 'shop is disabled\n', stderr: '' })
    expect(await list()).toMatch(/\nshop +disabled +20\d\d-\S+Z +0 +0 +1 +they move\n$/)
    const again = await webhooks('disable', 'shop', '--reason', 'me too', '--json')
    expect(again.json()).toEqual({ changed: false, parked: 0 })
    expect(await webhooks('enable', 'shop', '--by', 'ben')).toMatchObject({
      code: 0,
      stdout:
        'shop is enabled\n1 delivery is still parked: "holdfast parked redrive --consumer rule/shop" sends them\n',
      stderr: '',
    })
    expect((await webhooks('enable', 'shop')).stdout).toBe('shop was enabled already\n')
    expect((await webhooks('list', '--json')).json()).toEqual([
      { rule: 'shop', failures: 0, failingSince: null, disabledAt: null, reason: null, parked: 1, open: 0 },
    ])
    expect(await sql`select actor, act, target, reason from holdfast.acts order by id`).toEqual([
      { actor: 'anna', act: 'disable_webhook', target: 'shop', reason: 'they move' },
      { actor: 'ben', act: 'enable_webhook', target: 'shop', reason: null },
    ])
  })

  it.each([
    [['disable', 'shop'], 2, /--reason/],
    [['disable', 'mail', '--reason', 'x'], 1, /no worker has declared a webhook mail/],
    [['test', 'nobody'], 1, /the configuration has no webhook nobody[\s\S]*it has shop, inside/],
  ])('%j is refused with words that help', async (args, code, words) => {
    const ended = await webhooks(...args)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(words)
    expect(ended.stderr).not.toMatch(/^ +at /m)
  })

  it('tries a webhook with a signed event, and says what came back', async () => {
    const well = await webhooks('test', 'shop')
    expect(well).toMatchObject({ code: 0, stderr: '' })
    const [, id] =
      /^shop answered with status 204\nafter \d+ ms, under the webhook-id (\S+)\n$/.exec(well.stdout) ?? []
    const [request] = to.requests
    expect(request?.headers['webhook-id']).toBe(id)
    expect(new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {})).toMatchObject({
      type: 'holdfast.test',
      subject: 'holdfast:test',
      data: { rule: 'shop' },
    })
    answer = reply(401, 'who are you?')
    const refused = await webhooks('test', 'shop', '--json')
    expect(refused.code).toBe(1)
    expect(refused.json()).toMatchObject({
      delivered: false,
      status: 401,
      reason: 'status 401: who are you?',
    })
    const inside = await webhooks('test', 'inside')
    expect(inside).toMatchObject({ code: 1, stdout: expect.stringContaining('is at no public address') })
    expect(to.requests).toHaveLength(2)
    expect(await sql`select from holdfast.webhook_endpoints where failures > 0`).toHaveLength(0)
  })

  it('does not try one whose secret is nowhere', async () => {
    const kept = secret
    secret = ''
    const ended = await webhooks('test', 'shop')
    secret = kept
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('the environment has no variable HOOK_SECRET')
  })
})

describe('the server API', () => {
  it('lists, disables and enables webhooks', async () => {
    const status = async () => (await node.api<{ webhooks: unknown[] }>('webhooks', {})).webhooks
    const well = {
      rule: 'shop',
      failures: 0,
      failing_since: null,
      disabled_at: null,
      reason: null,
      parked: 1,
      open: 0,
    }
    expect(await status()).toEqual([well])
    const change = { rule: 'shop', reason: 'they move', actor: 'anna' }
    expect(await node.api('disable_webhook', change)).toEqual({ changed: true, parked: 1 })
    expect(await node.api('disable_webhook', change)).toEqual({ changed: false })
    expect(await status()).toEqual([{ ...well, disabled_at: expect.any(Number), reason: 'they move' }])
    expect(await node.api('enable_webhook', { rule: 'shop' })).toEqual({ changed: true, parked: 1 })
    const acts = await sql`select actor, act from holdfast.acts order by id desc limit 2`
    expect(acts).toEqual([
      { actor: 'api', act: 'enable_webhook' },
      { actor: 'anna', act: 'disable_webhook' },
    ])
  })

  it.each([
    ['disable_webhook', { rule: 'shop' }, /reason/],
    ['disable_webhook', { rule: 'shop', reason: ' ' }, /reason/],
    ['disable_webhook', { rule: 'nobody', reason: 'x' }, /there is no webhook nobody/],
    ['enable_webhook', { rule: 'mail' }, /there is no webhook mail/],
    ['enable_webhook', { name: 'shop' }, /rule/],
    ['webhooks', { rule: 'shop' }, /rule/],
  ])('refuses %s %j', async (method, params, words) => {
    await expect(node.api(method, params)).rejects.toMatchObject({
      code: 107,
      message: expect.stringMatching(words),
    })
  })
})
