import type { ContractCheck } from '../contract/index.ts'
import {
  type ClientInfo,
  checkChannel,
  HoldfastError,
  type NamespaceOptions,
  newEventId,
  normalizeEventId,
} from '../domain/index.ts'
import type { OpenTier } from '../durable/index.ts'
import type { Logger } from '../platform/index.ts'
import { Aggregates, type AnyCommand, type DeclaredAggregate } from './aggregates.ts'
import { CommandCounts } from './counts.ts'
import { Execution } from './execution.ts'
import { inTime } from './foreign.ts'
import { checkedInput } from './input.ts'
import { Loader } from './loader.ts'
import { SnapshotWriter } from './snapshots.ts'
import { States } from './states.ts'
import { Turns } from './turns.ts'
import type { Aggregate, AggregateDefinition, Commanded } from './types.ts'

export interface CommandRequest {
  readonly channel: string
  readonly command: string
  readonly input: unknown
  readonly id?: string
  /** Who is shown with the events. */
  readonly info?: ClientInfo
  /** Who has to be authorised by the command. Without one it is the server itself. */
  readonly caller?: { readonly user: string; readonly client: string }
  /** Throws where nobody waits for it any more: then nothing is recorded. */
  readonly wanted?: () => void
  /** Where it is traced: the `traceparent` of what it is a part of. */
  readonly trace?: string | undefined
}

/** The deciding side of one node. */
export interface Commands {
  /** @throws HoldfastError CONFIG_INVALID */
  aggregate<Pattern extends string, State, Event, Schemas>(
    definition: AggregateDefinition<Pattern, State, Event, Schemas>,
  ): Aggregate<Pattern, State, Schemas>
  /**
   * @throws HoldfastError what the command refuses with; CHANNEL_INVALID, CHANNEL_UNKNOWN, NOT_AVAILABLE (no aggregate),
   *   METHOD_UNKNOWN (no such command), REQUEST_INVALID (id), PAYLOAD_INVALID (input), NOT_PERMITTED, DUPLICATE_CONFLICT,
   *   OFFSET_CONFLICT (others were faster again and again), INTERNAL (the application's code), OVERLOADED, SHUTTING_DOWN,
   *   LEDGER_BEHIND, DEPENDENCY_* (temporary: repeat with the same id)
   */
  run(request: CommandRequest): Promise<Commanded>
  readonly counts: CommandCounts
  /** Finishes what is under way. Before the tier is closed. */
  close(): Promise<void>
}

export interface CommandsOptions {
  readonly tier: Pick<OpenTier, 'appendTogether' | 'log'>
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>
  /** What events have to be, whoever makes them. */
  readonly check: ContractCheck | undefined
  /** For schemas and `authorize`. */
  readonly hookTimeoutMs: number
  /** After so long it is asked whether an event was erased that a kept state may be made of (default 5,000). */
  readonly recheckMs?: number
  /** Begins the span of what the application does through an aggregate, where it is traced. */
  readonly traced?: TracedCalls | undefined
  readonly logger: Logger
}

/** Begins the span of a call, where it is traced, and makes the call with its place in the trace. */
export type TracedCalls = <T>(
  operation: 'command',
  channel: string,
  act: (trace: string | undefined) => Promise<T>,
) => Promise<T>

/** As an append's: the official SDKs give a command up after 5 s. */
const deadlineMs = 4_000

export function createCommands(options: CommandsOptions): Commands {
  const { tier, namespaces, check, hookTimeoutMs, recheckMs = 5_000, traced, logger } = options
  const { ledger } = tier.log
  const aggregates = new Aggregates(namespaces, logger)
  const states = new States()
  const snapshots = new SnapshotWriter(ledger, logger)
  const counts = new CommandCounts()
  const loader = new Loader(ledger)
  const execution = new Execution({
    ...{ tier, loader, states, snapshots, check, counts, logger },
    checkTimeoutMs: hookTimeoutMs,
    recheckMs,
  })
  const turns = new Turns()
  const stopEpoch = ledger.onEpoch(() => states.clear())
  let closing = false

  async function run(request: CommandRequest): Promise<Commanded> {
    try {
      const done = await carryOut(request)
      counts.ended[done.duplicate ? 'duplicate' : done.events.length === 0 ? 'nothing' : 'recorded']++
      return done
    } catch (error) {
      counts.ended[isFault(error) ? 'failed' : 'refused']++
      throw error
    }
  }

  async function carryOut(request: CommandRequest): Promise<Commanded> {
    if (closing) throw new HoldfastError('SHUTTING_DOWN', 'this node is stopping')
    const { channel, caller, wanted } = request
    const time = Date.now()
    const deadline = performance.now() + deadlineMs
    const { aggregate, params } = aggregates.of(checkChannel(channel))
    const command = commandOf(aggregate, request.command)
    const id = request.id === undefined ? newEventId() : normalizeEventId(request.id)
    if (id === undefined) throw new HoldfastError('REQUEST_INVALID', 'expected a UUID as id')
    if (caller && !command.authorize) throw denied(request)
    const input = await checkedInput(command.schema, request.command, request.input, hookTimeoutMs)
    if (caller) {
      const call = { ...caller, channel, params, command: request.command, input }
      const allowed = await inTime('authorize', hookTimeoutMs, () => command.authorize?.(call))
      if (allowed !== true) throw denied(request)
    }
    return turns.run(channel, () =>
      execution.run({
        ...{ aggregate, params, channel, input, id, time, deadline },
        command: [request.command, command],
        isNamed: request.id !== undefined,
        info: request.info,
        trace: request.trace,
        wanted: wanted ?? (() => undefined),
      }),
    )
  }

  return {
    counts,
    run,
    aggregate(definition) {
      const declared = aggregates.add(definition)
      const mine = (channel: string) => ownChannel(aggregates, declared, channel)
      return {
        name: declared.name,
        command: async (channel, name, input, { id } = {}) => {
          const request = { channel: mine(channel), command: name, input, ...(id !== undefined && { id }) }
          return traced ? traced('command', channel, trace => run({ ...request, trace })) : run(request)
        },
        load: async channel => {
          const name = mine(checkChannel(channel))
          const { state, offset, epoch } = await turns.run(name, () => execution.load(declared, name))
          return { state: state as never, offset, epoch }
        },
      }
    },
    async close() {
      closing = true
      await turns.idle()
      await snapshots.close()
      stopEpoch()
      states.close()
    },
  }
}

function commandOf({ name, commands }: DeclaredAggregate, command: string): AnyCommand {
  const found = commands.get(command)
  if (found) return found
  const shown = JSON.stringify(command.slice(0, 64))
  throw new HoldfastError('METHOD_UNKNOWN', `the aggregate ${name} has no command ${shown}`)
}

/** The types say so; a channel that was put together may be any, or one that an earlier declaration has taken. */
function ownChannel(aggregates: Aggregates, declared: DeclaredAggregate, channel: string): string {
  if (declared.pattern.match(channel) && aggregates.of(channel).aggregate === declared) return channel
  const message = `${channel.slice(0, 64)} is no channel of the aggregate ${declared.name}`
  throw new HoldfastError('CHANNEL_INVALID', message)
}

function denied({ channel, command }: CommandRequest): HoldfastError {
  return new HoldfastError('NOT_PERMITTED', `${command} on ${channel} is not permitted`)
}

function isFault(error: unknown): boolean {
  return !(error instanceof HoldfastError) || error.code === 'INTERNAL' || error.remedy === 'retry_later'
}
