import { z } from 'zod'
import { type Aggregate, type Commands, createCommands, defineAggregate } from '../../src/commands/index.ts'
import { HoldfastError, type NamespaceOptions } from '../../src/domain/index.ts'
import {
  createDurableTier,
  createOperations,
  type OpenTier,
  type Operations,
} from '../../src/durable/index.ts'
import { createLogger, parseConfig } from '../../src/platform/index.ts'
import { type TestLedger, testLedger } from './ledger.ts'

export type PurseEvent =
  | { type: 'Opened'; data: { owner: string } }
  | { type: 'Paid'; data: { cents: number } }
  | { type: 'Spent'; data: { cents: number } }

export interface Purse {
  readonly owner: string | null
  readonly cents: number
  readonly events: number
}

/** A purse that may never be overdrawn. */
export const purseDefinition = (
  snapshots?: { every: number; version: number },
  pattern = 'purse:{id}' as const,
) =>
  defineAggregate({
    pattern,
    initial: { owner: null, cents: 0, events: 0 } as Purse,
    evolve(state: Purse, event: PurseEvent): Purse | undefined {
      const events = state.events + 1
      if (event.type === 'Opened') return { ...state, owner: event.data.owner, events }
      if (event.type === 'Paid') return { ...state, cents: state.cents + event.data.cents, events }
      if (event.type === 'Spent') return { ...state, cents: state.cents - event.data.cents, events }
      return undefined
    },
    commands: {
      open: {
        schema: z.object({ owner: z.string() }),
        authorize: ({ user, input }) => user === input.owner,
        decide(state, { owner }) {
          if (state.owner !== null) throw new HoldfastError('REQUEST_INVALID', 'it is open already')
          return { type: 'Opened', data: { owner } }
        },
      },
      pay: {
        schema: z.object({ cents: z.int().positive() }),
        decide: (_, { cents }) => ({ type: 'Paid', data: { cents } }),
      },
      /** Takes out what it can in so many parts, all or nothing. */
      spend: {
        schema: z.object({ parts: z.array(z.int().positive()) }),
        authorize: async ({ user, params }) => user === params.id,
        decide(state, { parts }) {
          const sum = parts.reduce((all, cents) => all + cents, 0)
          if (sum > state.cents) throw new HoldfastError('REQUEST_INVALID', `only ${state.cents} cents`)
          return parts.map(cents => ({ type: 'Spent', data: { cents } }))
        },
      },
      double: {
        decide: state => (state.cents === 0 ? [] : { type: 'Paid', data: { cents: state.cents } }),
      },
      fail: {
        decide() {
          throw new TypeError('a fault of the application')
        },
      },
      flood: {
        decide(_, input) {
          const { events = 1, characters = 1, type = 'Noted' } = input as Record<string, never>
          return Array(events).fill({ type, data: 'x'.repeat(characters) })
        },
      },
      later: { decide: (async () => []) as never },
    },
    ...(snapshots && { snapshots }),
  })

export type PurseAggregate = Aggregate<'purse:{id}', Purse, unknown>

export interface CommandNode {
  readonly tier: OpenTier
  readonly commands: Commands
}

export interface CommandNodes {
  readonly database: TestLedger
  readonly operations: Operations
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>
  /** Another node over the same ledger. */
  node(): Promise<CommandNode>
  close(): Promise<void>
}

/** Nodes that carry out commands over one database, each with its own connections and its own memory. */
export async function commandNodes(): Promise<CommandNodes> {
  const database = await testLedger()
  const { namespaces } = parseConfig({ namespaces: { purse: { tier: 'durable' }, room: {} } })
  const nodes: CommandNode[] = []
  const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
  return {
    database,
    operations: createOperations(database.sql),
    namespaces,
    async node() {
      const ledger = await database.open()
      const tier = await createDurableTier({ ledger, logger })
      const check = undefined
      const commands = createCommands({
        tier,
        namespaces,
        check,
        hookTimeoutMs: 2_000,
        recheckMs: 500,
        logger,
      })
      nodes.push({ tier, commands })
      return { tier, commands }
    },
    async close() {
      for (const { commands, tier } of nodes) {
        await commands.close()
        await tier.close()
      }
      await database.close()
    },
  }
}
