import { context, type ProxyTracerProvider, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { namespaceOf, type Tier } from '../domain/index.ts'
import { spanAttributes } from './names.ts'
import { type SpanOptions, start, type Traced } from './traced.ts'
import { isSampled, parseTraceparent } from './traceparent.ts'

/** The share of messages that are traced, by the tier of their channel. */
export interface Sampling {
  readonly realtime: number
  readonly durable: number
}

/** What of a message's beginning is known besides its channel. */
export interface Origin {
  readonly from: 'client' | 'canary' | 'api' | 'application'
  /** A `traceparent` of somebody who is not trusted: the message gets a trace of its own with a link to it. */
  readonly link?: string | undefined
  /** One of somebody who is: the message is traced where that is, and as a part of it. */
  readonly parent?: string | undefined
}

type Tiers = { options(channel: string): { readonly tier: Tier } }

/**
 * Decides at a message's beginning whether it is traced, before anything is made for it: of those that are not, it costs
 * one random number. Whoever meets it later goes by what it carries.
 */
export class Tracing {
  readonly #ratios: Sampling
  readonly #most: number

  /** Off where no SDK has been registered before. */
  constructor(ratios: Sampling, on = isListening()) {
    this.#ratios = ratios
    this.#most = on ? Math.max(ratios.realtime, ratios.durable) : -1
  }

  /** Whether anything is ever traced here. */
  get on(): boolean {
    return this.#most >= 0
  }

  /** A client's message. `link` as in `Origin`. A canary's is traced wherever any message of its tier is. */
  fromClient(
    operation: string,
    channel: string,
    tiers: Tiers,
    link: string | undefined,
    canary: boolean,
  ): Traced | undefined {
    if (this.#most < 0) return undefined
    const draw = canary ? 0 : Math.random()
    return draw < this.#most
      ? this.#begin(operation, channel, tiers, draw, { from: canary ? 'canary' : 'client', link })
      : undefined
  }

  /** A message of the API or the application; by default a part of the trace in which the calling code runs. */
  from(operation: string, channel: string, tiers: Tiers, origin: Origin): Traced | undefined {
    if (this.#most < 0) return undefined
    const active = trace.getSpanContext(context.active())
    const parent = active ?? parseTraceparent(origin.parent)
    if (parent) {
      if (!isSampled(parent)) return undefined
      const within = active ? context.active() : trace.setSpanContext(ROOT_CONTEXT, parent)
      return start(
        within,
        `receive ${operation}`,
        describe(operation, channel, tierOf(channel, tiers), origin),
      )
    }
    const draw = Math.random()
    return draw < this.#most ? this.#begin(operation, channel, tiers, draw, origin) : undefined
  }

  #begin(operation: string, channel: string, tiers: Tiers, draw: number, origin: Origin): Traced | undefined {
    const tier = tierOf(channel, tiers)
    // Of a channel that nobody knows there is no more to tell than the refusal.
    if (tier === undefined || draw >= this.#ratios[tier]) return undefined
    return start(ROOT_CONTEXT, `receive ${operation}`, describe(operation, channel, tier, origin))
  }
}

/** What every span of a message in a channel says of it. */
export function channelAttributes(
  channel: string,
  tier: Tier | undefined,
): NonNullable<SpanOptions['attributes']> {
  return {
    [spanAttributes.destination]: withoutUsers(channel),
    [spanAttributes.namespace]: namespaceOf(channel),
    ...(tier && { [spanAttributes.tier]: tier }),
  }
}

/** Channels of users (`dialog:#alice,bob`) name them behind the `#`. */
function withoutUsers(channel: string): string {
  const users = channel.indexOf('#')
  return users < 0 ? channel : `${channel.slice(0, users + 1)}…`
}

function describe(operation: string, channel: string, tier: Tier | undefined, origin: Origin): SpanOptions {
  return {
    kind: origin.from === 'application' ? 'producer' : 'server',
    attributes: {
      [spanAttributes.operation]: operation,
      [spanAttributes.from]: origin.from,
      ...channelAttributes(channel, tier),
    },
    ...(origin.link !== undefined && { links: [origin.link] }),
  }
}

function tierOf(channel: string, tiers: Tiers): Tier | undefined {
  try {
    return tiers.options(channel).tier
  } catch {
    return undefined
  }
}

/** Whether an SDK was registered, Holdfast's own or the application's. */
export function isListening(): boolean {
  const provider: Partial<ProxyTracerProvider> = trace.getTracerProvider()
  return provider.getDelegateTracer ? provider.getDelegateTracer('holdfast') !== undefined : true
}
