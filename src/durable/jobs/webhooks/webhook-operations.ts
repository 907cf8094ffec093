import type { Sql } from '../../../platform/index.ts'
import { disableEndpoint, enableEndpoint, type WebhookEndpoint } from './endpoints.ts'

/** The webhook of a rule as operators see it. */
export interface WebhookStatus extends WebhookEndpoint {
  /** Deliveries that are set aside, and those on their way. */
  readonly parked: number
  readonly open: number
}

/** What became of a change. `unknown`: no worker has declared a webhook under this name. */
export type WebhookChange =
  | { readonly kind: 'changed'; readonly parked: number }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'unknown' }

export interface WebhookOperations {
  list(): Promise<WebhookStatus[]>
  /** Sends its events again; those that were parked meanwhile stay so until they are redriven. */
  enable(rule: string, by: { readonly actor: string }): Promise<WebhookChange>
  /** From then on its events are parked, those on their way too. */
  disable(rule: string, by: { readonly actor: string; readonly reason: string }): Promise<WebhookChange>
}

export function webhookOperations(sql: Sql): WebhookOperations {
  async function change(rule: string, act: () => Promise<boolean>): Promise<WebhookChange> {
    const [known] = await sql`
      select from holdfast.job_rules where name = ${rule} and definition::json ->> 'target' = 'webhook'`
    if (!known) return { kind: 'unknown' }
    if (!(await act())) return { kind: 'unchanged' }
    const [{ parked } = { parked: 0 }] = await sql<{ parked: number }[]>`
      select count(*) as parked from holdfast.deliveries where consumer = ${`rule/${rule}`} and state = 'parked'`
    return { kind: 'changed', parked }
  }
  return {
    list: () => sql<WebhookStatus[]>`
      select name as rule, coalesce(failures, 0) as failures, failing_since as "failingSince",
        disabled_at as "disabledAt", reason, parked, open
      from holdfast.job_rules left join holdfast.webhook_endpoints on rule = name
      cross join lateral (
        select count(*) filter (where state = 'parked') as parked, count(*) filter (where state <> 'parked') as open
        from holdfast.deliveries
        where consumer = 'rule/' || name and state in ('waiting', 'retrying', 'queued', 'parked')
      ) as owed
      where definition::json ->> 'target' = 'webhook'
      order by name`,
    enable: (rule, { actor }) => change(rule, () => enableEndpoint(sql, rule, actor)),
    disable: (rule, { actor, reason }) => change(rule, () => disableEndpoint(sql, { rule, reason, actor })),
  }
}
