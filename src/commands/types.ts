import type { ChannelNameOf, ParamsOf, StandardSchemaV1 } from '../contract/index.ts'

/** What has happened, as an aggregate says it. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type
  /** A JSON value. */
  readonly data: Data
}

/** Where an event is recorded. */
export interface EventPlace {
  readonly channel: string
  readonly id: string
  /** Dense number in the channel. */
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly time: number
}

/** What a decision may rest on besides state and input: the same for every repetition of one call. */
export interface DecideContext<Params = Readonly<Record<string, string>>> {
  readonly channel: string
  /** The values of the pattern's parameters. */
  readonly params: Params
  /** When the command came, in milliseconds since 1970. */
  readonly time: number
  /** The command's id. Ids that are made from it are the same when the command is repeated. */
  readonly id: string
}

/** Who asks for a command, and for what. */
export interface AuthorizeCommandCall<Params = Readonly<Record<string, string>>, Input = unknown> {
  /** The empty string: anonymous. */
  readonly user: string
  readonly client: string
  readonly channel: string
  readonly params: Params
  readonly command: string
  readonly input: Input
}

/** What callers give for a schema's value, and what `decide` gets of it. */
export type SchemaInput<Schema> = Schema extends StandardSchemaV1<infer Input, unknown> ? Input : unknown
export type SchemaOutput<Schema> = Schema extends StandardSchemaV1<unknown, infer Output> ? Output : unknown

export interface CommandDefinition<State, Event, Schema, Params = Readonly<Record<string, string>>> {
  /** What an input has to be; `decide` gets what it makes of it. Without one any JSON value is taken. */
  readonly schema?: Schema
  /**
   * Whether a client may. Without it none may, only the library and holders of the API key. One that throws or takes too
   * long refuses for now.
   */
  authorize?(call: AuthorizeCommandCall<Params, SchemaOutput<Schema>>): boolean | Promise<boolean>
  /**
   * The events that follow from a command in this state, all of which are recorded or none; an empty list where there is
   * nothing to do. Throw a `HoldfastError` to refuse. Pure: it may be called again with a newer state, and changes nothing.
   */
  decide(state: State, input: SchemaOutput<Schema>, context: DecideContext<Params>): Event | readonly Event[]
}

export interface AggregateDefinition<Pattern extends string, State, Event, Schemas> {
  /** Names its snapshots (default: the pattern). */
  readonly name?: string
  /** Its channels, one aggregate each: `order:{id}`. */
  readonly pattern: Pattern
  /** The state before the first event: a JSON value where there are snapshots. */
  readonly initial: State
  /** The state after an event; undefined leaves it as it is. Pure: it changes nothing of what it is given. */
  evolve(state: State, event: Event, place: EventPlace): State | undefined
  readonly commands: {
    readonly [Name in keyof Schemas]: CommandDefinition<
      State,
      NoInfer<Event>,
      Schemas[Name],
      Readonly<ParamsOf<Pattern>>
    >
  }
  /**
   * Keeps the state after every so many events, so that a long channel is not read from its beginning. Raise `version` when
   * the state or `evolve` changes: snapshots of another version are ignored.
   */
  readonly snapshots?: { readonly every: number; readonly version: number }
}

export interface CommandOptions {
  /**
   * A UUID that makes a repetition recognisable: it is answered with what the first one has done. Without it every call is
   * a command of its own. One id belongs to one command.
   */
  readonly id?: string
}

/** The end of a command: what it has recorded is committed. */
export interface Commanded {
  readonly id: string
  /** Of the last event it has recorded; where it has recorded none, the offset of the state it was decided in. */
  readonly offset: number
  readonly epoch: string
  readonly events: readonly { readonly id: string; readonly type: string; readonly offset: number }[]
  /** A repetition has met its own success: nothing was recorded now. */
  readonly duplicate: boolean
}

/** An aggregate of one node, with the types of its definition. */
export interface Aggregate<Pattern extends string, State, Schemas> {
  readonly name: string
  /** As the library's `command`. */
  command<Name extends keyof Schemas & string>(
    channel: ChannelNameOf<Pattern>,
    name: Name,
    input: SchemaInput<Schemas[Name]>,
    options?: CommandOptions,
  ): Promise<Commanded>
  /**
   * The state as it is now. Change nothing of it.
   * @throws HoldfastError NOT_AVAILABLE where retention has removed the beginning of the channel, DEPENDENCY_*
   */
  load(channel: ChannelNameOf<Pattern>): Promise<{
    readonly state: State
    /** Of the last event in it; 0 where there is none. */
    readonly offset: number
    readonly epoch: string
  }>
}
