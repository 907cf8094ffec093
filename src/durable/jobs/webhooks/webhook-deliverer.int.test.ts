import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../../test/support/ledger.ts'
import { type RawHttp, rawHttp, reply } from '../../../../test/support/raw-http.ts'
import { until } from '../../../../test/support/until.ts'
import { newEventId } from '../../../domain/index.ts'
import { createLogger, type Sql, type WebhookInput, webhookConfig } from '../../../platform/index.ts'
import { newWebhookSecret } from './signature.ts'
import { createWebhookDeliverer, type WebhookDeliverer } from './webhook-deliverer.ts'
import { webhookOperations } from './webhook-operations.ts'

const secret = newWebhookSecret()
const logger = createLogger('silent')
const never = new AbortController().signal
/** As a node logs in: it may write these tables, and not the ledger's. */
const login = `node_${newEventId().replaceAll('-', '')}`

let db: TestLedger
let sql: Sql
let to: RawHttp
let answer: string
let webhooks: WebhookDeliverer
let rule: string

beforeAll(async () => {
  db = await testLedger()
  sql = db.sql
  await sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
})
afterAll(async () => {
  await sql.unsafe(`drop role ${login}`)
  await db.close()
})
beforeEach(async () => {
  answer = reply(200)
  to = await rawHttp(socket => socket.write(answer))
  webhooks = deliverer()
  rule = `rule-${randomUUID().slice(0, 8)}`
  webhooks.declare(rule, config())
})
afterEach(async () => {
  await webhooks.close()
  await to.close()
})

function deliverer(): WebhookDeliverer {
  const url = new URL(db.url)
  url.username = login
  url.password = 'secret'
  return createWebhookDeliverer({ url: url.href, logger })
}

function config(more: Partial<WebhookInput> = {}) {
  return webhookConfig.parse({ url: `${to.url}/hooks/T0K3N`, secrets: [secret], allowPrivate: true, ...more })
}

function deliver(by = webhooks, signal = never) {
  const event = { type: 'Said', channel: 'chat:1', offset: 1, partition: 0, position: 1, epoch: 'e', time: 0 }
  return by.deliver(
    { ...event, id: newEventId(), data: '{}', info: null },
    { rule, deliveryId: 1, attempt: 1, maxAttempts: 20, signal },
  )
}

async function row() {
  const [found] = await sql`select failures, failing_since, disabled_at, reason
    from holdfast.webhook_endpoints where rule = ${rule}`
  return found
}

/** What was told about the rule in the outbox. */
async function told(): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const rows = await sql<{ channel: string; type: string; data: string }[]>`
    select channel, type, data from holdfast.outbox where data::json ->> 'rule' = ${rule} order by id`
  expect(rows.every(({ channel }) => channel === 'holdfast:webhooks')).toBe(true)
  return rows.map(({ type, data }) => ({ type, data: JSON.parse(data) }))
}

async function failedFor(ms: number): Promise<void> {
  await sql`update holdfast.webhook_endpoints set failing_since = failing_since - ${ms}::bigint where rule = ${rule}`
}

describe('an endpoint', () => {
  it('costs no row while all is well', async () => {
    expect(await deliver()).toEqual({ kind: 'done' })
    expect(await row()).toBeUndefined()
  })

  it('is counted as failing until its next success', async () => {
    webhooks.declare(rule, config({ headers: { authorization: 'Bearer swordfish' } }))
    answer = reply(500, `oops /hooks/T0K3N ${secret} for swordfish`)
    const reason = 'status 500: oops [hidden] whsec_[hidden] for [hidden]'
    for (let i = 0; i < 3; i++) expect(await deliver()).toEqual({ kind: 'retry', reason })
    expect(await row()).toMatchObject({ failures: 3, disabled_at: null, reason })
    answer = reply(200)
    expect(await deliver()).toEqual({ kind: 'done' })
    expect(await row()).toMatchObject({ failures: 0, failing_since: null, reason: null })
  })

  it('is disabled when it has failed for long enough and often enough, and says so in one event', async () => {
    webhooks.declare(rule, config({ disableAfterMs: 3_600_000, disableAfterFailures: 3 }))
    answer = reply(500)
    for (let i = 0; i < 4; i++) expect(await deliver()).toMatchObject({ kind: 'retry' })
    await failedFor(3_600_000)
    const reason = 'no success in 60 minutes; last: status 500'
    expect(await deliver()).toEqual({ kind: 'park', reason: `the webhook is disabled: ${reason}` })
    const data = { rule, reason, failures: 5, failingSince: expect.any(Number), by: null }
    expect(await told()).toEqual([{ type: 'WebhookDisabled', data }])
    expect(await sql`select from holdfast.acts where target = ${rule}`).toHaveLength(0)
  })

  it('is not disabled by few failures, however old the first of them is', async () => {
    webhooks.declare(rule, config({ disableAfterMs: 3_600_000, disableAfterFailures: 3 }))
    answer = reply(500)
    await deliver()
    await failedFor(7_200_000)
    expect(await deliver()).toMatchObject({ kind: 'retry' })
    expect(await told()).toEqual([])
  })

  it('is never disabled by failing where that is off', async () => {
    webhooks.declare(rule, config({ disableAfterMs: 0, disableAfterFailures: 1 }))
    answer = reply(500)
    await deliver()
    await failedFor(10 * 86_400_000)
    expect(await deliver()).toMatchObject({ kind: 'retry' })
  })

  it('gets nothing while it is disabled: its deliveries are parked at once, on every node', async () => {
    answer = reply(410, 'no more')
    const parked = { kind: 'park', reason: 'the webhook is disabled: status 410: no more' }
    expect(await deliver()).toEqual(parked)
    answer = reply(200)
    const other = deliverer()
    other.declare(rule, config())
    for (const node of [webhooks, other]) expect(await deliver(node)).toEqual(parked)
    await other.close()
    expect(to.requests).toHaveLength(1)
    expect(await told()).toMatchObject([{ type: 'WebhookDisabled' }])
  })

  it('is disabled once, however many find it at the same time', async () => {
    webhooks.declare(rule, config({ disableAfterMs: 1, disableAfterFailures: 5 }))
    answer = reply(503)
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => deliver()))
    expect(new Set(outcomes.map(({ kind }) => kind))).toContain('park')
    await until('one more is parked', async () => (await deliver()).kind === 'park')
    expect(await told()).toHaveLength(1)
  })

  it('that asks to be left alone is, by all deliveries of the process, until it answers well', async () => {
    answer = reply(429, '', { 'retry-after': '30' })
    const first = await deliver()
    expect(first).toMatchObject({ kind: 'retry', reason: 'status 429' })
    const held = await deliver()
    expect(held).toMatchObject({ kind: 'hold' })
    for (const outcome of [first, held]) {
      const { afterMs } = outcome as { afterMs: number }
      expect(afterMs).toBeGreaterThan(15_000)
      expect(afterMs).toBeLessThanOrEqual(36_000)
    }
    expect(to.requests).toHaveLength(1)
    expect(await row()).toMatchObject({ failures: 1 })
  })

  it('is not blamed for a process that stops', async () => {
    const stop = new AbortController()
    answer = ''
    const outcome = deliver(webhooks, stop.signal)
    await until('the request is there', () => to.requests.length > 0)
    stop.abort()
    expect(await outcome).toMatchObject({ kind: 'hold' })
    expect(await row()).toBeUndefined()
  })

  it('is neither asked nor blamed while Postgres cannot say how it fares', async () => {
    const away = createWebhookDeliverer({ url: 'postgres://127.0.0.1:1/none', logger })
    away.declare(rule, config())
    expect(await deliver(away)).toMatchObject({ kind: 'hold', reason: 'Postgres is away' })
    expect(to.requests).toHaveLength(0)
    await away.close()
  })

  it('is blamed for an address that may not be reached', async () => {
    webhooks.declare(rule, config({ allowPrivate: false, allowHttp: true }))
    expect(await deliver()).toMatchObject({ kind: 'retry', reason: /127\.0\.0\.1 is at no public address/ })
    expect(await row()).toMatchObject({ failures: 1 })
  })

  it('must have its secrets when it is declared', () => {
    const missing = config({ secrets: [{ env: 'HOLDFAST_NO_SUCH_SECRET' }] })
    expect(() => webhooks.declare(rule, missing)).toThrow(/no variable HOLDFAST_NO_SUCH_SECRET/)
  })
})

describe('an operator', () => {
  const by = { actor: 'anna' }

  async function known(): Promise<void> {
    await sql`insert into holdfast.job_rules (name, starts, epoch, created, definition, seen)
      values (${rule}, '{}', 'e', 0, '{"target":"webhook"}', 0)`
  }

  it('disables and enables an endpoint, on record, and sees it in the list', async () => {
    await known()
    await sql`insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
      select ${`rule/${rule}`}, 0, n, 'chat:1', n, ${newEventId()}, 'Said', state, 0, 0
      from unnest(array['parked', 'parked', 'queued', 'done']) with ordinality as each (state, n)`
    const operations = webhookOperations(sql)
    const status = async () => (await operations.list()).find(each => each.rule === rule)
    const well = { rule, failures: 0, failingSince: null, disabledAt: null, reason: null, parked: 2, open: 1 }
    expect(await status()).toEqual(well)
    expect(await operations.enable(rule, by)).toEqual({ kind: 'unchanged' })

    const reason = 'they move'
    expect(await operations.disable(rule, { ...by, reason })).toEqual({ kind: 'changed', parked: 2 })
    expect(await operations.disable(rule, { actor: 'ben', reason: 'me too' })).toEqual({ kind: 'unchanged' })
    expect(await status()).toEqual({ ...well, disabledAt: expect.any(Number), reason })
    expect(await deliver()).toEqual({ kind: 'park', reason: 'the webhook is disabled: they move' })

    expect(await operations.enable(rule, by)).toEqual({ kind: 'changed', parked: 2 })
    expect(await operations.enable(rule, by)).toEqual({ kind: 'unchanged' })
    expect(await status()).toEqual(well)
    expect(await deliver()).toEqual({ kind: 'done' })

    expect(await told()).toEqual([
      { type: 'WebhookDisabled', data: { rule, reason, failures: 0, failingSince: null, by: 'anna' } },
      { type: 'WebhookEnabled', data: { rule, disabledAt: expect.any(Number), by: 'anna' } },
    ])
    const acts = await sql`select actor, act, reason from holdfast.acts where target = ${rule} order by id`
    expect(acts).toEqual([
      { actor: 'anna', act: 'disable_webhook', reason },
      { actor: 'anna', act: 'enable_webhook', reason: null },
    ])
  })

  it('gives a former failing endpoint a new start when it is enabled', async () => {
    await known()
    webhooks.declare(rule, config({ disableAfterMs: 60_000, disableAfterFailures: 1 }))
    answer = reply(500)
    await deliver()
    await failedFor(60_000)
    expect(await deliver()).toMatchObject({ kind: 'park' })
    await webhookOperations(sql).enable(rule, by)
    expect(await deliver()).toMatchObject({ kind: 'retry' })
    expect(await row()).toMatchObject({ failures: 1, disabled_at: null })
  })

  it('is told of a name that is no webhook', async () => {
    const operations = webhookOperations(sql)
    expect(await operations.disable('nobody', { ...by, reason: 'x' })).toEqual({ kind: 'unknown' })
    expect(await operations.enable('nobody', by)).toEqual({ kind: 'unknown' })
    expect(await sql`select from holdfast.webhook_endpoints where rule = 'nobody'`).toHaveLength(0)
  })
})
