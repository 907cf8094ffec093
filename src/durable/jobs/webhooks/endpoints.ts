import { newEventId } from '../../../domain/index.ts'
import type { Sql } from '../../../platform/index.ts'

/** How the endpoint of a webhook rule fares. Times in milliseconds since 1970, by the clock of Postgres. */
export interface WebhookEndpoint {
  readonly rule: string
  /** Failures since the last success. */
  readonly failures: number
  readonly failingSince: number | null
  readonly disabledAt: number | null
  /** Why it is disabled, or failed last. */
  readonly reason: string | null
}

/** The channel that tells of endpoints, in the namespace of what the system records of itself. */
const channel = 'holdfast:webhooks'

/** Undefined for one that has never failed: of that nothing is written. */
export async function endpointOf(sql: Sql, rule: string): Promise<WebhookEndpoint | undefined> {
  const [row] = await sql<WebhookEndpoint[]>`
    select rule, failures, failing_since as "failingSince", disabled_at as "disabledAt", reason
    from holdfast.webhook_endpoints where rule = ${rule}`
  return row
}

export async function recordSuccess(sql: Sql, rule: string): Promise<void> {
  await sql`
    update holdfast.webhook_endpoints set failures = 0, failing_since = null, reason = null
    where rule = ${rule} and failures > 0 and disabled_at is null`
}

/** @returns how often, and for how long, it has failed by now */
export async function recordFailure(
  sql: Sql,
  rule: string,
  reason: string,
): Promise<{ readonly failures: number; readonly failingMs: number }> {
  const [row] = await sql<{ failures: number; failingMs: number }[]>`
    insert into holdfast.webhook_endpoints as e (rule, failures, failing_since, reason)
    values (${rule}, 1, ${nowMs(sql)}, ${reason})
    on conflict (rule) do update set
      failures = e.failures + 1,
      failing_since = coalesce(e.failing_since, excluded.failing_since),
      reason = case when e.disabled_at is null then excluded.reason else e.reason end
    returning failures, ${nowMs(sql)} - failing_since as "failingMs"`
  if (!row) throw new Error(`the endpoint of ${rule} was not written`)
  return row
}

export interface EndpointChange {
  readonly rule: string
  readonly reason: string
  /** The person who did it; undefined where it was the endpoint's own doing. */
  readonly actor?: string | undefined
  /** Disable it only if it has failed for so long, and so often. */
  readonly ifFailing?: { readonly forMs: number; readonly times: number } | undefined
}

/**
 * Row, event and the record of who did it are one statement, so there is never one without the others; of several that
 * disable it at once, one does. @returns whether this call has changed it
 */
export async function disableEndpoint(sql: Sql, change: EndpointChange): Promise<boolean> {
  const { rule, reason, actor = null, ifFailing } = change
  const rows = await sql`
    with disabled as (
      insert into holdfast.webhook_endpoints as e (rule, disabled_at, reason)
      values (${rule}, ${nowMs(sql)}, ${reason})
      on conflict (rule) do update set disabled_at = excluded.disabled_at, reason = excluded.reason
      where e.disabled_at is null and e.failures >= ${ifFailing?.times ?? 0}
        and coalesce(e.failing_since, 0) <= ${nowMs(sql)} - ${ifFailing?.forMs ?? 0}::bigint
      returning e.*
    ), told as (
      insert into holdfast.outbox (channel, type, data, event_id)
      select ${channel}, 'WebhookDisabled', json_build_object('rule', rule, 'reason', reason, 'failures', failures,
        'failingSince', failing_since, 'by', ${actor}::text)::text, ${newEventId()}::uuid
      from disabled
    ), recorded as (
      insert into holdfast.acts (time, actor, act, target, reason)
      select disabled_at, ${actor}::text, 'disable_webhook', rule, reason from disabled where ${actor}::text is not null
    )
    select rule from disabled`
  return rows.length > 0
}

/** @returns whether this call has changed it */
export async function enableEndpoint(sql: Sql, rule: string, actor: string): Promise<boolean> {
  const rows = await sql`
    with before as (
      select rule, disabled_at from holdfast.webhook_endpoints
      where rule = ${rule} and disabled_at is not null for update
    ), enabled as (
      update holdfast.webhook_endpoints e set failures = 0, failing_since = null, disabled_at = null, reason = null
      from before where e.rule = before.rule
      returning e.rule, before.disabled_at
    ), told as (
      insert into holdfast.outbox (channel, type, data, event_id)
      select ${channel}, 'WebhookEnabled', json_build_object('rule', rule, 'disabledAt', disabled_at,
        'by', ${actor}::text)::text, ${newEventId()}::uuid
      from enabled
    ), recorded as (
      insert into holdfast.acts (time, actor, act, target)
      select ${nowMs(sql)}, ${actor}::text, 'enable_webhook', rule from enabled
    )
    select rule from enabled`
  return rows.length > 0
}

/** The clock of Postgres: those of the workers may differ, and only one must say how long an endpoint has failed. */
export function nowMs(sql: Sql) {
  return sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`
}
