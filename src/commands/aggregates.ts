import type { StandardSchemaV1 } from '../contract/index.ts'
import {
  type ChannelPattern,
  channelPattern,
  HoldfastError,
  isSystemChannel,
  type NamespaceOptions,
  namespaceOf,
} from '../domain/index.ts'
import type { Logger } from '../platform/index.ts'
import { defineAggregate } from './define.ts'
import type { AggregateDefinition, CommandDefinition, DomainEvent, EventPlace } from './types.ts'

export type AnyCommand = CommandDefinition<unknown, DomainEvent, StandardSchemaV1 | undefined>

/** An aggregate as the node runs it. */
export interface DeclaredAggregate {
  readonly name: string
  readonly pattern: ChannelPattern
  readonly initial: unknown
  readonly evolve: (state: unknown, event: DomainEvent, place: EventPlace) => unknown
  readonly commands: ReadonlyMap<string, AnyCommand>
  readonly snapshots: { readonly every: number; readonly version: number } | undefined
}

export interface FoundAggregate {
  readonly aggregate: DeclaredAggregate
  readonly params: Readonly<Record<string, string>>
}

/** The aggregates of one node. The first pattern that matches a channel decides. */
export class Aggregates {
  readonly #namespaces: Readonly<Record<string, NamespaceOptions>>
  readonly #logger: Logger
  readonly #all: DeclaredAggregate[] = []

  constructor(namespaces: Readonly<Record<string, NamespaceOptions>>, logger: Logger) {
    this.#namespaces = namespaces
    this.#logger = logger
  }

  /** @throws HoldfastError CONFIG_INVALID */
  add<Pattern extends string, State, Event, Schemas>(
    definition: AggregateDefinition<Pattern, State, Event, Schemas>,
  ): DeclaredAggregate {
    // What the types say holds for whoever calls it; here only the shape counts.
    const given = defineAggregate(definition as never) as AggregateDefinition<
      string,
      unknown,
      DomainEvent,
      Record<string, never>
    >
    const { pattern, name = pattern, initial, commands, snapshots } = given
    if (this.#all.some(one => one.name === name || one.pattern.source === pattern)) {
      throw new HoldfastError('CONFIG_INVALID', `the aggregate ${name} is declared twice`)
    }
    this.#checkNamespace(name, pattern)
    const declared: DeclaredAggregate = {
      name,
      pattern: channelPattern(pattern),
      initial,
      evolve: (state, event, place) => given.evolve(state, event, place),
      commands: new Map(Object.entries<AnyCommand>(commands)),
      snapshots,
    }
    this.#all.push(declared)
    return declared
  }

  /** @throws HoldfastError CHANNEL_UNKNOWN, NOT_AVAILABLE where the channel takes no commands */
  of(channel: string): FoundAggregate {
    const name = namespaceOf(channel)
    const namespace = Object.hasOwn(this.#namespaces, name) ? this.#namespaces[name] : undefined
    if (!namespace)
      throw new HoldfastError('CHANNEL_UNKNOWN', `the namespace ${JSON.stringify(name)} is not declared`)
    for (const aggregate of namespace.tier === 'durable' && !isSystemChannel(channel) ? this.#all : []) {
      const params = aggregate.pattern.match(channel)
      if (params) return { aggregate, params }
    }
    throw new HoldfastError('NOT_AVAILABLE', `no aggregate takes commands in ${channel}`)
  }

  /** A pattern may stand for several namespaces; where it names one, that one is there. */
  #checkNamespace(aggregate: string, pattern: string): void {
    const name = namespaceOf(pattern)
    if (/[{*]/.test(name)) return
    const namespace = Object.hasOwn(this.#namespaces, name) ? this.#namespaces[name] : undefined
    if (isSystemChannel(pattern) || namespace?.tier !== 'durable') {
      const what = `the aggregate ${aggregate} needs the namespace ${JSON.stringify(name)}, declared and of the durable tier`
      throw new HoldfastError('CONFIG_INVALID', what)
    }
    const { maxAgeSeconds, maxEvents } = namespace.retention
    if (maxAgeSeconds > 0 || maxEvents > 0) {
      this.#logger.warn(
        { aggregate, namespace: name },
        'retention removes events that an aggregate is made of: where no snapshot reaches above them, its commands are refused',
      )
    }
  }
}
