/** Rules and schedules: what operators see and decide. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { RuleSummary, Schedule } from '../../durable/index.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optional, optionalName, requiredData } from './request.ts'

const name = z.string().min(1)
/** Who does it, as the caller says; the key is what was checked. */
const by = {
  actor: optionalName.transform(given => given ?? 'api'),
  reason: optionalName,
}

const actParams = z.strictObject({ name, ...by })

export const rules: ApiMethod = async (request, parts) => {
  check(z.strictObject({}), request)
  const found = await operationsOf(parts).jobs.rules()
  return JSON.stringify({ rules: found.map(ruleJson) })
}

export const removeRule: ApiMethod = async (request, parts) => {
  const params = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).jobs.removeRule(params.name, params))
}

const defaultPage = 100
const schedulesParams = z.strictObject({
  limit: optional(z.int().min(1).max(1_000)),
  /** `next` of the page before. */
  after: optionalName,
})

export const schedules: ApiMethod = async (request, parts) => {
  const { limit = defaultPage, after } = check(schedulesParams, request)
  const page = await operationsOf(parts).jobs.schedules({ limit, after })
  const next = page.next === undefined ? '' : `,"next":${JSON.stringify(page.next)}`
  return `{"schedules":[${page.schedules.map(scheduleJson).join(',')}]${next}}`
}

/** Strict: a misspelt `zone` would happen at another hour. */
const scheduleParams = z.strictObject({
  name,
  cron: optionalName,
  zone: optionalName,
  every_seconds: optional(z.int().min(1)),
  /** Milliseconds since 1970. */
  at: optional(z.int().min(0)),
  delay_ms: optional(z.int().min(0)),
  act: z.enum(['append', 'publish']).default('append'),
  channel: z.string().min(1),
  type: optionalName,
  data: z.unknown().optional(),
  b64data: z.unknown().optional(),
  ...by,
})

export const schedule: ApiMethod = async (request, parts) => {
  const params = check(scheduleParams, request)
  const { act, channel, cron, zone, every_seconds, at, delay_ms, type, actor, reason } = params
  const data = requiredData(request)
  const { tier } = parts.router.options(channel)
  if (act === 'append' && tier !== 'durable')
    throw new HoldfastError('NOT_AVAILABLE', `${channel} is not durable`)
  if (at !== undefined && delay_ms !== undefined)
    throw new HoldfastError('REQUEST_INVALID', 'at: expected it or delay_ms, got both')
  const made = await operationsOf(parts).jobs.schedule(
    {
      name: params.name,
      cron: cron ?? null,
      zone: zone ?? null,
      everySeconds: every_seconds ?? null,
      at: at ?? (delay_ms === undefined ? null : Date.now() + delay_ms),
      act,
      channel,
      type: type ?? null,
      data,
    },
    { actor, reason },
  )
  return scheduleJson(made)
}

export const unschedule: ApiMethod = async (request, parts) => {
  const params = check(actParams, request)
  await operationsOf(parts).jobs.unschedule(params.name, params)
  return '{}'
}

export const pauseSchedule: ApiMethod = async (request, parts) => {
  const params = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).jobs.pauseSchedule(params.name, params))
}

export const resumeSchedule: ApiMethod = async (request, parts) => {
  const params = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).jobs.resumeSchedule(params.name, params))
}

function ruleJson({ oldestOpen, ...rule }: RuleSummary): Record<string, unknown> {
  return { ...rule, oldest_open: oldestOpen }
}

/** JSON text: the data is in it as it was given. */
function scheduleJson({ data, everySeconds, lastDue, ...schedule }: Schedule): string {
  const rest = JSON.stringify({ ...schedule, every_seconds: everySeconds, last_due: lastDue })
  return `${rest.slice(0, -1)},"data":${data}}`
}
