import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asHoldfastError, type ErrorCode, HoldfastError } from '../domain/index.ts'
import { type ClientAddress, unknownHost } from '../gateway/index.ts'
import type { Logger } from '../platform/index.ts'
import type { ConsoleAccess, Visitor } from './access.ts'
import { Acts, checked } from './acts.ts'
import type { Questions } from './questions.ts'
import { parkedFilter, plainText } from './selection.ts'
import type { Me } from './wire-common.ts'
import type { EventAnswer } from './wire-past.ts'
import type { WorkQuestions } from './work-questions.ts'

export interface RouteParts {
  readonly access: ConsoleAccess
  readonly address: ClientAddress
  readonly me: (visitor: Visitor, open: boolean) => Me
  readonly questions: Questions
  readonly work: WorkQuestions
  readonly acts: Acts
  readonly progress: (id: string) => Promise<unknown>
  /** Somebody has been shown what these events say. */
  readonly onEvent: (actor: string, answer: EventAnswer) => void
  readonly logger: Logger
}

const bodyLimit = 1_048_576
const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most)
const limit = whole(1, 500)

const queries = {
  top: z.strictObject({ seconds: whole(1, 10).default(2) }),
  rates: z.strictObject({ minutes: whole(5, 10_080).default(60) }),
  marks: z.strictObject({
    before: whole(0, Number.MAX_SAFE_INTEGER).optional(),
    limit: limit.default(100),
    kind: plainText(0, 50).optional(),
  }),
  acts: z.strictObject({
    before: whole(0, Number.MAX_SAFE_INTEGER).optional(),
    limit: limit.default(100),
    actor: plainText(0, 200).optional(),
    target: plainText(0, 300).optional(),
  }),
  event: z.union([
    z.strictObject({ id: z.uuid() }),
    z.strictObject({ channel: plainText(1, 255), offset: whole(1, Number.MAX_SAFE_INTEGER) }),
  ]),
  parked: z.strictObject({
    after: whole(0, Number.MAX_SAFE_INTEGER).optional(),
    limit: limit.default(50),
    ...parkedFilter.shape,
    olderThanSeconds: z.coerce.number().min(0).optional(),
    newerThanSeconds: z.coerce.number().min(0).optional(),
  }),
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  NOT_AUTHENTICATED: 401,
  NOT_PERMITTED: 403,
  NOT_AVAILABLE: 404,
  METHOD_UNKNOWN: 404,
  RATE_LIMITED: 429,
  OFFSET_CONFLICT: 409,
  READ_ONLY: 423,
}

/** Who asks; of a request that has passed the door. */
interface Admitted {
  readonly visitor: Visitor
  readonly open: boolean
}

/** `/console/api/…`: answers for those who hold a token, acts for operators. No cookies, so no other page can ask for them. */
export function addConsoleRoutes(app: FastifyInstance, parts: RouteParts): void {
  app.register(
    async scope => {
      const admitted = new WeakMap<FastifyRequest, Admitted>()
      addDoor(scope, parts, admitted)
      addReads(scope, parts, request => admitted.get(request) as Admitted)
      addWrites(scope, parts, request => admitted.get(request) as Admitted)
    },
    { prefix: '/console/api' },
  )
}

function addDoor(
  scope: FastifyInstance,
  { access, address, logger }: RouteParts,
  admitted: WeakMap<FastifyRequest, Admitted>,
): void {
  scope.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    const { authorization, host } = request.headers
    const came = access.check(authorization, address(request.raw) ?? 'unknown', host)
    if (came.kind === 'granted') {
      admitted.set(request, came)
      return undefined
    }
    if (came.kind === 'limited') {
      reply.header('retry-after', came.retryAfterSeconds)
      return refuse(
        reply,
        new HoldfastError('RATE_LIMITED', 'too many wrong tokens from this address: wait a minute'),
      )
    }
    if (came.kind === 'elsewhere') return refuse(reply, new HoldfastError('NOT_PERMITTED', unknownHost))
    reply.header('www-authenticate', 'Bearer')
    return refuse(reply, new HoldfastError('NOT_AUTHENTICATED', 'expected a console token (console.tokens)'))
  })
  scope.setErrorHandler((thrown, request, reply) => {
    const { statusCode } = thrown as { statusCode?: number }
    const error =
      statusCode !== undefined && statusCode < 500
        ? new HoldfastError('REQUEST_INVALID', (thrown as Error).message)
        : asHoldfastError(thrown)
    if (error.code === 'INTERNAL')
      logger.error({ err: thrown, path: request.routeOptions.url }, 'the console could not answer')
    return refuse(reply, error)
  })
  scope.setNotFoundHandler((request, reply) =>
    refuse(
      reply,
      new HoldfastError('METHOD_UNKNOWN', `there is no ${request.method} ${request.url.split('?')[0]}`),
    ),
  )
}

function addReads(
  scope: FastifyInstance,
  parts: RouteParts,
  who: (request: FastifyRequest) => Admitted,
): void {
  const { questions, work } = parts
  const read = (path: string, answer: (request: FastifyRequest) => unknown) =>
    scope.get(`/${path}`, async request => answer(request))
  read('me', request => {
    const { visitor, open } = who(request)
    return parts.me(visitor, open)
  })
  read('overview', () => questions.overview())
  read('lags', () => questions.lags())
  read('top', request => questions.top(checked(queries.top, request.query).seconds))
  read('rates', request => questions.rates(checked(queries.rates, request.query).minutes))
  read('marks', request => questions.marks(checked(queries.marks, request.query)))
  read('acts', request => questions.acts(checked(queries.acts, request.query)))
  read('event', async request => {
    const answer = await questions.event(checked(queries.event, request.query))
    parts.onEvent(actorOf(who(request)), answer)
    return answer
  })
  read('parked', request => {
    const { after, limit: most, ...filter } = checked(queries.parked, request.query)
    return work.parked(filter, { after, limit: most })
  })
  read('projections', () => work.projections())
  read('groups', () => work.groups())
  read('jobs', () => work.jobs())
  read('namespaces', () => work.namespaces())
}

function addWrites(
  scope: FastifyInstance,
  parts: RouteParts,
  who: (request: FastifyRequest) => Admitted,
): void {
  const { acts } = parts
  const write = (path: string, act: (body: unknown, actor: string) => unknown, viewersToo = false) =>
    scope.post(`/${path}`, { bodyLimit }, async request => {
      const { visitor } = who(request)
      if (!viewersToo && visitor.role !== 'operator')
        throw new HoldfastError('NOT_PERMITTED', `${visitor.name} is a viewer: acts are for operators`)
      return act(request.body, actorOf({ visitor }))
    })
  write('parked_preview', body => acts.preview(body), true)
  write('parked_act', (body, actor) => acts.parked(actor, Acts.wish('parked_act', body)))
  write('parked_progress', body => parts.progress(checked(z.strictObject({ id: z.uuid() }), body).id), true)
  write('projection', (body, actor) => acts.projection(actor, Acts.wish('projection', body)))
  write('group', (body, actor) => acts.group(actor, Acts.wish('group', body)))
  write('schedule', (body, actor) => acts.schedule(actor, Acts.wish('schedule', body)))
  write('webhook', (body, actor) => acts.webhook(actor, Acts.wish('webhook', body)))
  write('namespace', (body, actor) => acts.namespace(actor, Acts.wish('namespace', body)))
  write('breaker', (body, actor) => acts.breaker(actor, Acts.wish('breaker', body)))
  write('message', (body, actor) => acts.message(actor, Acts.wish('message', body)))
}

function actorOf({ visitor }: Pick<Admitted, 'visitor'>): string {
  return `console:${visitor.name}`
}

function refuse(reply: FastifyReply, error: HoldfastError): FastifyReply {
  const temporary = error.remedy === 'retry_later'
  const status = statuses[error.code] ?? (temporary ? 503 : error.code === 'INTERNAL' ? 500 : 400)
  const message = error.code === 'INTERNAL' ? 'internal error: see the log of the node' : error.message
  return reply.code(status).send({ error: { code: error.code, message, temporary } })
}
