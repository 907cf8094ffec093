/** The server's own interface over HTTP, in the shape of Centrifugo's, and what tells whether the node is well. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asHoldfastError, HoldfastError } from '../../domain/index.ts'
import type { Config, Logger } from '../../platform/index.ts'
import type { Health } from '../health.ts'
import { unknownHost } from '../known-host.ts'
import { LimitCounts } from '../limit-counts.ts'
import { accessOf } from './api-key.ts'
import { ApiRoom } from './api-room.ts'
import { breakerHold, breakerRelease, breakers } from './breakers.ts'
import { command } from './commanding.ts'
import { cursors, removeCursor, unread } from './cursors.ts'
import { deliveries, discard, erase, inspectDelivery, parked, redrive } from './delivering.ts'
import { errorBody, statusOf } from './error-body.ts'
import { groups, pauseGroup, removeGroup, resumeGroup } from './groups.ts'
import { pauseSchedule, removeRule, resumeSchedule, rules, schedule, schedules, unschedule } from './jobs.ts'
import type { ApiMethod, ApiParts } from './method.ts'
import { discardOutbox, outbox, retryOutbox } from './outbox.ts'
import { listJson, pageJson, projectionMethods } from './projections.ts'
import { append, broadcast, publish } from './publishing.ts'
import { channels, history, info, presence, presenceStats } from './reading.ts'
import { check, readRequest } from './request.ts'
import { disconnect, refresh, subscribe, unsubscribe } from './steering.ts'
import { disableWebhook, enableWebhook, webhooks } from './webhooks.ts'

export interface HttpApiOptions extends ApiParts {
  readonly config: Pick<Config, 'api' | 'auth' | 'limits'>
  readonly health: () => Health
  /** Answers `GET /metrics`; without it there is no such path. */
  readonly metrics?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  readonly logger: Logger
  /** Where refusals are counted; by default nowhere that is looked at. */
  readonly limited?: LimitCounts
}

export interface HttpApi {
  /** Takes further routes until it is `ready`. */
  readonly app: FastifyInstance
  /** Whether a path is one of its routes, so that an application's server keeps all others. */
  owns(path: string): boolean
}

const methods: Readonly<Record<string, ApiMethod>> = {
  publish,
  broadcast,
  append,
  command,
  subscribe,
  unsubscribe,
  disconnect,
  refresh,
  presence,
  presence_stats: presenceStats,
  history,
  channels,
  info,
  parked,
  inspect_delivery: inspectDelivery,
  redrive,
  discard,
  deliveries,
  erase,
  cursors,
  remove_cursor: removeCursor,
  unread,
  outbox,
  retry_outbox: retryOutbox,
  discard_outbox: discardOutbox,
  rules,
  remove_rule: removeRule,
  schedules,
  schedule,
  unschedule,
  pause_schedule: pauseSchedule,
  resume_schedule: resumeSchedule,
  groups,
  pause_group: pauseGroup,
  resume_group: resumeGroup,
  remove_group: removeGroup,
  webhooks,
  enable_webhook: enableWebhook,
  disable_webhook: disableWebhook,
  breakers,
  breaker_hold: breakerHold,
  breaker_release: breakerRelease,
  ...projectionMethods,
}

const envelope = z.object({ method: z.string() })

/** A body may hold the largest frame many times over: a broadcast names its channels. */
const bodyFrames = 16

function bodyLimitOf({ limits }: Pick<Config, 'limits'>): number {
  return limits.maxFrameBytes * bodyFrames
}

/**
 * `POST /api/<method>` with the parameters as body, or `POST /api` with `{"method":…,"params":…}`; the answer is
 * `{"result":…}`, or with status 200 `{"error":{"code":…,"message":…}}`. With `X-Centrifugo-Error-Mode: transport` an
 * error is the body itself, under an HTTP status. It listens nowhere by itself: see `createHttpServer`.
 */
export function createHttpApi(options: HttpApiOptions): HttpApi {
  const app = Fastify({ logger: false, bodyLimit: bodyLimitOf(options.config) })
  const exact = new Set<string>()
  const prefixes = new Set<string>()
  app.addHook('onRoute', ({ url }) => {
    const open = url.search(/[*:]/)
    if (open >= 0) prefixes.add(url.slice(0, open))
    else exact.add(url)
  })
  app.setNotFoundHandler((request, reply) => {
    if (!/^\/api(\/|$|\?)/.test(request.url)) return reply.code(404).send({ error: 'not found' })
    const unknown = new HoldfastError('METHOD_UNKNOWN', `there is no POST ${request.url.split('?')[0]}`)
    return json(reply.code(404), `{"error":${errorBody(unknown)}}`)
  })
  app.setErrorHandler((error, request, reply) => {
    const status = statusCodeOf(error)
    if (status >= 500) {
      options.logger.error({ err: error, path: request.routeOptions.url }, 'a request failed')
    }
    return reply
      .code(status)
      .send({ error: status >= 500 ? 'internal server error' : (error as Error).message })
  })
  addHealth(app, options.health)
  const { metrics } = options
  if (metrics) {
    app.get('/metrics', (request, reply) => {
      reply.hijack()
      metrics(request.raw, reply.raw)
    })
  }
  app.register(async scope => addApi(scope, options))
  return {
    app,
    owns: path => exact.has(path) || [...prefixes].some(prefix => path.startsWith(prefix)),
  }
}

function addHealth(app: FastifyInstance, health: () => Health): void {
  app.get('/health/live', async (_, reply) => json(reply, '{"status":"live"}'))
  const ready = async (_: FastifyRequest, reply: FastifyReply) => {
    const state = health()
    reply.header('cache-control', 'no-store')
    return reply.code(state.status === 'unavailable' ? 503 : 200).send(state)
  }
  app.get('/health/ready', ready)
  app.get('/health', ready)
}

function addApi(scope: FastifyInstance, options: HttpApiOptions): void {
  const { config, logger, limited = new LimitCounts() } = options
  const room = new ApiRoom(config.limits, bodyLimitOf(config), limited)
  // The body stays bytes: the application's JSON in it is passed on as it came.
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))

  scope.addHook('onRequest', async (request, reply) => {
    const refused = refusal(request, reply)
    if (refused) return refused
    if (room.take(request.raw, reply.raw)) return
    reply.code(503).header('retry-after', ApiRoom.retryAfterSeconds)
    return json(reply, '{"error":{"code":111,"message":"too many requests"}}')
  })

  function refusal(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const access = accessOf(request.headers, config.api.key, config.auth)
    if (access === 'granted') return undefined
    if (access === 'denied') return json(reply.code(401), '{"error":{"code":101,"message":"unauthorized"}}')
    if (access === 'closed') {
      return json(reply.code(403), '{"error":{"code":103,"message":"no API key is configured (api.key)"}}')
    }
    if (access === 'elsewhere')
      return json(reply.code(403), `{"error":{"code":103,"message":"${unknownHost}"}}`)
    // Without a key, what a foreign web page can make a browser send is kept out: JSON needs the server's consent. An answer
    // to GET changes nothing, and no such page can read it.
    if (request.method !== 'GET' && !/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      return json(
        reply.code(415),
        '{"error":{"code":107,"message":"expected content-type application/json"}}',
      )
    }
    return undefined
  }

  scope.setErrorHandler((error, request, reply) => {
    const status = statusCodeOf(error)
    if (status === 413) limited.add('api_body_bytes')
    if (status < 500) {
      const refused = new HoldfastError('REQUEST_INVALID', (error as Error).message)
      return json(reply.code(status), `{"error":${errorBody(refused)}}`)
    }
    return fail(error, request, reply)
  })

  function fail(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const error = understood(thrown)
    if (error.code === 'OVERLOADED') limited.add('node_waiting')
    if (error.remedy === 'retry_later') {
      logger.warn(
        { err: error.message, code: error.code, path: request.routeOptions.url },
        'an API call was not possible',
      )
    } else if (error.code === 'INTERNAL') {
      logger.error({ err: thrown, path: request.routeOptions.url }, 'an API call failed')
    }
    if (request.headers['x-centrifugo-error-mode'] === 'transport') {
      return json(reply.code(statusOf(error)), errorBody(error))
    }
    if (request.method === 'GET') return json(reply.code(statusOf(error)), `{"error":${errorBody(error)}}`)
    return json(reply.code(error.code === 'METHOD_UNKNOWN' ? 404 : 200), `{"error":${errorBody(error)}}`)
  }

  async function run(
    request: FastifyRequest,
    reply: FastifyReply,
    name: string | undefined,
    inside: readonly string[],
  ): Promise<FastifyReply> {
    try {
      const wanted = name ?? check(envelope, readRequest(request.body)).method
      const method = Object.hasOwn(methods, wanted) ? methods[wanted] : undefined
      if (!method) {
        throw new HoldfastError('METHOD_UNKNOWN', `there is no method ${JSON.stringify(wanted.slice(0, 64))}`)
      }
      const abandoned = () => reply.raw.destroyed || reply.raw.writableEnded
      const traceparent = single(request.headers['traceparent'])
      const result = await answered(
        method(readRequest(request.body, inside, abandoned, traceparent), options),
      )
      return json(reply, `{"result":${result}}`)
    } catch (error) {
      return fail(error, request, reply)
    }
  }

  function read(path: string, answer: (request: FastifyRequest) => Promise<string>): void {
    scope.get(path, { exposeHeadRoute: false }, async (request, reply) => {
      reply.header('cache-control', 'no-store')
      try {
        return json(reply, `{"result":${await answered(answer(request))}}`)
      } catch (error) {
        return fail(error, request, reply)
      }
    })
  }

  read('/api/projections', () => listJson(options))
  read('/api/projections/:name', request => {
    const { name } = request.params as { name: string }
    return pageJson(options, name, new URL(request.url, 'http://localhost').searchParams)
  })
  for (const name of Object.keys(methods)) {
    scope.post(`/api/${name}`, (request, reply) => run(request, reply, name, []))
  }
  scope.post('/api', (request, reply) => run(request, reply, undefined, ['params']))
}

/** Postgres' text has no U+0000, which a name or a filter may have had. */
function understood(thrown: unknown): HoldfastError {
  const { code } = thrown as { code?: unknown }
  return code === '22021'
    ? new HoldfastError('REQUEST_INVALID', 'a text holds U+0000')
    : asHoldfastError(thrown)
}

/** Above what any dependency is given: a caller is answered, also where one hangs whose calls have no deadline. */
const answerMs = 30_000

async function answered(result: Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HoldfastError('DEPENDENCY_TIMEOUT', `no answer for ${answerMs} ms`)),
      answerMs,
    )
  })
  try {
    return await Promise.race([result, silence])
  } finally {
    clearTimeout(timer)
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

function json(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text)
}

function statusCodeOf(error: unknown): number {
  const status = (error as { statusCode?: unknown }).statusCode
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500
}
