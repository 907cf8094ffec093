import { z } from 'zod'
import { channelPattern } from '../domain/index.ts'
import { webhookConfig } from './config-webhook.ts'

/** Names of rules and schedules: they stand in the ids of jobs, in commands and in metrics. */
const jobName = z.string().regex(/^[a-z0-9-]{1,64}$/, 'expected 1 to 64 of a-z, 0-9 and -')

const pattern = z.string().superRefine((source, context) => {
  try {
    channelPattern(source)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})

const eventType = z.string().min(1).max(255)

/** Which events, and what becomes of each: exactly one of `webhook`, `handler` and `queue`. */
export const ruleConfig = z
  .strictObject({
    on: z.strictObject({
      /** A channel pattern: `order:{id}`, `orders:*`. */
      channel: pattern,
      /** One type, several, or `*` for all. */
      type: z.union([eventType, z.array(eventType).min(1)]).default('*'),
    }),
    webhook: webhookConfig.optional(),
    /** The name of a function of the application (`hf.job`). */
    handler: z.string().min(1).max(128).optional(),
    /** A BullMQ queue of the application's own, on the Redis of jobs, with workers of its own. */
    queue: z
      .strictObject({
        name: z
          .string()
          .min(1)
          .regex(/^[^:]+$/, 'expected a queue name without a colon'),
        /** The job's name there (default: the event's type). */
        job: z.string().min(1).optional(),
        /** The prefix of its keys: what its workers are made with. */
        prefix: z.string().min(1).default('bull'),
      })
      .optional(),
    /** After so many attempts that failed the delivery is parked (default: 20 of a webhook, 10 of a handler, 5 of a queue). */
    attempts: z.int().min(1).max(1_000).optional(),
    /** The pause before an attempt: doubled from `first` up to `most`, spread by chance (default: 1 s to 5 min; webhooks 5 s to 1 h). */
    backoffMs: z
      .strictObject({ first: z.int().min(1), most: z.int().min(1).max(86_400_000) })
      .refine(({ first, most }) => first <= most, 'expected first to be at most as large as most')
      .optional(),
    /** How many deliveries of the rule one process works on at a time. */
    concurrency: z.int().min(1).max(1_000).default(10),
    /** How long a handler may take without a heartbeat. */
    handlerTimeoutMs: z.int().min(100).max(3_600_000).default(30_000),
  })
  .refine(
    ({ webhook, handler, queue }) =>
      [webhook, handler, queue].filter(each => each !== undefined).length === 1,
    'expected exactly one of webhook, handler and queue',
  )

export type RuleConfig = z.output<typeof ruleConfig>
export type RuleInput = z.input<typeof ruleConfig>

const json = z.json()
const channel = z.string().min(1).max(255)

/** When, and what: `cron` or `everySeconds`, `append` or `publish`. */
export const scheduleConfig = z
  .strictObject({
    /** Five fields, or six with seconds in front. */
    cron: z.string().min(1).max(255).optional(),
    /** IANA time zone of the cron expression. */
    zone: z.string().min(1).max(64).optional(),
    everySeconds: z
      .int()
      .min(1)
      .max(366 * 86_400)
      .optional(),
    /** Records an event: once in effect. */
    append: z.strictObject({ channel, type: eventType, data: json }).optional(),
    /** Publishes: at most once. */
    publish: z.strictObject({ channel, data: json }).optional(),
  })
  .refine(
    ({ cron, everySeconds }) => (cron === undefined) !== (everySeconds === undefined),
    'expected exactly one of cron and everySeconds',
  )
  .refine(({ cron, zone }) => zone === undefined || cron !== undefined, 'expected a zone only beside cron')
  .refine(
    ({ append, publish }) => (append === undefined) !== (publish === undefined),
    'expected exactly one of append and publish',
  )

export type ScheduleConfig = z.output<typeof scheduleConfig>

/** What becomes of events outside of Holdfast, and what happens by the clock. */
export const jobsConfig = z.strictObject({
  /** How long rows of ended deliveries are kept. */
  keepSeconds: z
    .int()
    .min(60)
    .default(30 * 86_400),
  /** Which events become jobs, by the rule's name. */
  rules: z.record(jobName, ruleConfig).default({}),
  /** Appends and publications by the clock, by the schedule's name. */
  schedules: z.record(jobName, scheduleConfig).default({}),
})

export type JobsConfig = z.output<typeof jobsConfig>

/** Whether a name may be given to a rule or a schedule. */
export function isJobName(name: string): boolean {
  return jobName.safeParse(name).success
}
