/** The types of a contract. Imports nothing, so that a front end can take them without anything of the server. */

/**
 * What any schema library that follows Standard Schema v1 offers (zod, valibot, arktype …), as far as a contract
 * needs it.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** Exists for the type checker only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** One schema for all that a channel carries, or one for each type of event. */
export type ChannelSchemas = StandardSchemaV1 | Readonly<Record<string, StandardSchemaV1>>

/** Channel patterns (`order:{id}`, `room:{room}`, `quakes:*`) and what the channels carry. */
export type Contract = Readonly<Record<string, ChannelSchemas>>

/** The parameters of a pattern: `order:{id}` gives `{ id: string }`. */
export type ParamsOf<Pattern extends string> = { [Name in ParamNames<Pattern>]: string }

type ParamNames<Pattern extends string> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never

/** The channels that a pattern stands for, as a template literal type: `order:{id}` gives `order:${string}`. */
export type ChannelNameOf<Pattern extends string> = Pattern extends `${infer Head}{${string}}${infer Tail}`
  ? `${Head}${string}${ChannelNameOf<Tail>}`
  : Pattern extends `${infer Head}*`
    ? `${Head}${string}`
    : Pattern

/** Every channel of a contract; any string where there is no contract. */
export type ChannelOf<C extends Contract> = ChannelNameOf<keyof C & string>

/** By event type, the data that a channel of the contract carries; `unknown` where there is no contract. */
export type EventsOf<C extends Contract, Channel extends string> = string extends keyof C
  ? Record<string, unknown>
  : Merged<SchemasFor<C, Channel>>

export type EventTypeOf<C extends Contract, Channel extends string> = keyof EventsOf<C, Channel> & string

/**
 * The data of one type of event. It is the *input* of the schema: a schema checks what is appended and never changes
 * it, so what is received is what was sent.
 */
export type EventDataOf<C extends Contract, Channel extends string, Type extends string> = EventsOf<
  C,
  Channel
>[Type & keyof EventsOf<C, Channel>]

/** What a plain `publish` may carry: it makes an event of the type `publication`. */
export type PublishDataOf<C extends Contract, Channel extends string> = EventDataOf<C, Channel, 'publication'>

type SchemasFor<C extends Contract, Channel extends string> = {
  [Pattern in keyof C & string]: Matches<Split<Pattern>, Split<Channel>> extends true ? C[Pattern] : never
}[keyof C & string]

/** A parameter never takes in a `:`, as on the server, so `order:{id}` is not `order:7:lines`. */
type Split<Text extends string> = Text extends `${infer Head}:${infer Tail}` ? [Head, ...Split<Tail>] : [Text]

type Matches<Pattern extends string[], Channel extends string[]> = Pattern extends [
  infer P extends string,
  ...infer Ps extends string[],
]
  ? Channel extends [infer C extends string, ...infer Cs extends string[]]
    ? C extends ChannelNameOf<P>
      ? Ps extends []
        ? P extends `${string}*`
          ? true
          : Cs extends []
            ? true
            : false
        : Matches<Ps, Cs>
      : false
    : false
  : Channel extends []
    ? true
    : false

type InputOf<Schema> = Schema extends StandardSchemaV1
  ? NonNullable<Schema['~standard']['types']>['input']
  : never

/** Distributes over the schemas of all patterns that match. */
type Inputs<Schemas> = Schemas extends StandardSchemaV1
  ? Record<string, InputOf<Schemas>>
  : { [Type in keyof Schemas & string]: InputOf<Schemas[Type]> }

type KeysOf<Union> = Union extends unknown ? keyof Union : never

type Merged<Schemas> = {
  [Type in KeysOf<Inputs<Schemas>> & string]: Inputs<Schemas> extends infer Each
    ? Each extends Record<Type, infer Data>
      ? Data
      : never
    : never
}
