import type { ChannelNameOf, Contract, EventDataOf, EventTypeOf, ParamsOf } from '../contract/index.ts'
import type { BatchHandler, Handler } from '../durable/index.ts'

/** Handlers of one consumer group, with the contract's types. */
export interface ContractGroup<C extends Contract> {
  readonly name: string
  /**
   * Handles the events of these types (`*`: all) in the channels of a pattern. The first handler that matches an event
   * counts; events that no handler matches are passed over.
   * @throws HoldfastError CONFIG_INVALID for a bad pattern
   */
  on<Pattern extends string, Type extends EventTypeOf<C, ChannelNameOf<Pattern>>>(
    pattern: Pattern,
    types: Type | readonly Type[] | '*',
    handler: Handler<EventDataOf<C, ChannelNameOf<Pattern>, Type>, Readonly<ParamsOf<Pattern>>>,
  ): ContractGroup<C>
  /**
   * As `on`, with all events of a transaction that follow each other and match in one call; of several patterns where a list
   * is given. Use it with a `batchSize`: by default a batch is one event.
   * @throws HoldfastError CONFIG_INVALID for a bad pattern
   */
  onBatch<Pattern extends string, Type extends EventTypeOf<C, ChannelNameOf<Pattern>>>(
    patterns: Pattern | readonly Pattern[],
    types: Type | readonly Type[] | '*',
    handler: BatchHandler<EventDataOf<C, ChannelNameOf<Pattern>, Type>, Readonly<ParamsOf<Pattern>>>,
  ): ContractGroup<C>
}
