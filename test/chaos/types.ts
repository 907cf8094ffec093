/** What a run of the chaos suite is made of: a system under test, faults, and the record that the checker judges. */

import type { TcpProxy } from '../support/tcp-proxy.ts'

export type Tier = 'realtime' | 'durable'

/** `unknown`: no answer came, so it may have taken effect or not. */
export type Outcome = 'ok' | 'failed' | 'unknown'

/** All times are milliseconds by `performance.now()` of the runner. */
export interface Attempt {
  readonly channel: string
  readonly writer: string
  /** Counts a writer's attempts in a channel: 1, 2, 3 … */
  readonly sequence: number
  /** Unique over the whole run. */
  readonly value: string
  readonly sentAt: number
  readonly endedAt: number
  readonly outcome: Outcome
  /** Durable, acknowledged. */
  readonly offset?: number
  /** What follows from one command has this in common. */
  readonly command?: string
}

/** One thing that a subscription was given. */
export interface Delivery {
  readonly channel: string
  /** Whoever listens; it keeps its name over reconnects. */
  readonly subscriber: string
  readonly value: string
  readonly offset?: number
  readonly at: number
}

/** A subscriber heard that something may be missing before `at`; silence about it is a loss. */
export interface Told {
  readonly channel: string
  readonly subscriber: string
  readonly at: number
}

/** What the store has of a channel in the end, in its order. */
export interface Stored {
  readonly channel: string
  readonly values: readonly {
    readonly value: string
    readonly offset: number
    /** Of an event that follows from a command: which of how many, and how many commands the decision knew of. */
    readonly decided?: { readonly part: number; readonly of: number; readonly before: number }
  }[]
}

/** What a read model says in the end: its rows by their keys, as `folds.ts` writes them. */
export interface Model {
  readonly projection: string
  readonly rows: Readonly<Record<string, string>>
}

/** How often the effect of each value is there. */
export interface Effects {
  /** Whoever handles events: a group, a projection. */
  readonly processor: string
  readonly times: Readonly<Record<string, number>>
}

export interface Channel {
  readonly name: string
  readonly tier: Tier
  /** Realtime with a short memory: what a subscriber misses there it recovers, or is told. */
  readonly recoverable: boolean
  /** An aggregate: nothing is said there but what follows from commands. */
  readonly commands?: true
}

/** Somebody who stays with one node. */
export interface Participant {
  readonly name: string
  readonly node: number
  readonly channels: readonly string[]
}

export interface MemorySample {
  /** `node-0`, `node-1`, `worker-0` … */
  readonly process: string
  readonly at: number
  readonly bytes: number
}

/** When what happened; a run without a fault has no `injectedAt` and `healedAt`. */
export interface Phases {
  /** The traffic is steady from here on. */
  readonly steadyAt: number
  /** Before the first act of the fault, and after it was in force. */
  readonly injectedAt?: number
  /** When the fault was ended and the way was clear. */
  readonly healedAt?: number
  /** The writers stopped. */
  readonly stoppedAt: number
  /** Everybody had everything, or the deadline had come. */
  readonly drainedAt: number
}

/** Everything that happened in a run, as the checker reads it; it can be written as JSON and read again. */
export interface Recorded {
  readonly channels: readonly Channel[]
  readonly writers: readonly Participant[]
  /** Who listened from the beginning to the end. */
  readonly subscribers: readonly Participant[]
  readonly attempts: readonly Attempt[]
  readonly deliveries: readonly Delivery[]
  readonly told: readonly Told[]
  readonly stored: readonly Stored[]
  /** Empty where nobody handles events. */
  readonly effects: readonly Effects[]
  /** Empty where there are no read models. */
  readonly models: readonly Model[]
  readonly memory: readonly MemorySample[]
  /** Acknowledged events that the system itself says are missing; left out where nobody asks. */
  readonly auditLost?: number
  /** Processes that ended without having been told to, with what they said. */
  readonly deaths: readonly string[]
  /** The longest time for which the runner itself was away: nothing that it saw is more exact. */
  readonly stallMs: number
  readonly phases: Phases
}

/** One process of the system under test. */
export interface NodeProcess {
  /** `node-0`, `node-1`, `worker-0` … */
  readonly name: string
  readonly pid: number
  /** Where it listens; the same after `startAgain`. Undefined for a process that nobody connects to. */
  readonly port: number | undefined
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** As a deployment does it. */
  stop(): Promise<void>
  /** After `kill` or `stop`; resolves when it is ready. `env` is added to its environment for this life. */
  startAgain(env?: Readonly<Record<string, string>>): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(): void
  goOn(): void
  /** The last lines that it printed, over all its lives. */
  said(): readonly string[]
  /** Resident memory that is its own, in bytes; undefined while it does not run. */
  memory(): number | undefined
}

/** A server that the system rests on, behind a proxy of its own. */
export interface Dependency {
  /** How the system reaches it: through the proxy. */
  readonly url: string
  /** Past the proxy, for the fault and the checker. */
  readonly directUrl: string
  readonly proxy: TcpProxy
  /** Where its data lies. Redis writes an append-only file, so that a restart can have everything, a part, or nothing. */
  readonly directory: string
  readonly pid: number
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** As an operator does it, and waits for its end. */
  stop(): Promise<void>
  /** SIGSTOP to it and to its sessions: it answers nothing, and no connection ends. */
  pause(): void
  goOn(): void
  /** After `kill` or `stop`, at the same address, with what then lies in its directory. */
  startAgain(flags?: readonly string[]): Promise<void>
}

export interface Listener {
  heard(value: string, offset?: number): void
  /** It may have missed something: not recovered, subscribed anew, or whatever the system says so with. */
  told(): void
}

export interface Client {
  /** Durable: from the beginning of the channel. Resolves when it is confirmed. */
  subscribe(channel: Channel, listener: Listener): Promise<void>
  /** Resolves with its end and never rejects. */
  send(channel: Channel, value: string): Promise<{ readonly outcome: Outcome; readonly offset?: number }>
  /**
   * A command, from which one event follows for each of the values, in their order, all or none. Offsets in their order.
   * Resolves with its end and never rejects.
   */
  command?(
    channel: Channel,
    values: readonly string[],
  ): Promise<{ readonly outcome: Outcome; readonly offsets?: readonly number[] }>
  close(): Promise<void>
}

/** Where a run takes place. */
export interface Stage {
  readonly redis: Dependency
  readonly postgres: Dependency
  /** A temporary folder, removed in the end. */
  readonly directory: string
  /** Runs when the stage is taken down, last first, whatever has happened. */
  defer(end: () => Promise<void> | void): void
}

/** What is tested: Holdfast, or one of the ways that it is compared with. */
export interface System {
  readonly name: string
  readonly tiers: readonly Tier[]
  /** Whether it has realtime channels that recover. */
  readonly recovers: boolean
  /** Whether it has aggregates that take commands. */
  readonly decides?: true
  /** What it rests on beside Redis, and has beside nodes: only there such a fault can be done to it. */
  readonly parts: readonly ('postgres' | 'workers')[]
  start(stage: Stage, nodes: number): Promise<Running>
}

export interface Running {
  readonly nodes: readonly NodeProcess[]
  /** Processes beside the nodes that handle events; none where the system has no such thing. */
  readonly workers: readonly NodeProcess[]
  /** A client that stays with one node, and comes back to it. */
  client(node: number, name: string): Promise<Client>
  /** Of these channels; a channel that the store does not know is there and empty. */
  stored(channels: readonly string[]): Promise<readonly Stored[]>
  effects(channels: readonly string[]): Promise<readonly Effects[]>
  /** What read models say of a run. */
  models?(run: string): Promise<readonly Model[]>
  /** How many acknowledged events its auditor has found missing: of nodes that answer. */
  audited?(): Promise<number>
  /** Asks for read models to be built anew beside those that are read. What comes of it may be lost in a fault. */
  rebuild?(): Promise<void>
  /** Processes that ended without having been told to. */
  readonly deaths: readonly string[]
  stop(): Promise<void>
}

/** What is promised about a run; each is judged by the checker and can be broken. */
export type Invariant =
  /** Durable: an acknowledged event is in the store. */
  | 'nothing acknowledged is lost'
  /** Durable: every subscriber has everything that the store has, once the run has drained. */
  | 'nothing stored is missing at a subscriber'
  /** Nothing is delivered or stored that nobody tried to say, or that was finally refused. */
  | 'no phantom'
  /** Nothing is given twice to a subscription, or stored twice. */
  | 'no duplicate'
  /** Durable: dense offsets, one value each, as acknowledged; all subscribers see the store's order. */
  | 'one order'
  /** Durable: each stored event has each processor's effect exactly once. */
  | 'exactly once in effect'
  /** Each read model says what a fold of the ledger says, whatever was built anew meanwhile. */
  | 'read models say what the ledger says'
  /** All that follows from a command is there once or not at all, next to each other, and decided on all before it. */
  | 'commands as if one by one'
  /** Durable: nobody is told of a loss, because there is none. */
  | 'no false alarm'
  /** Realtime: what one writer sent into a channel comes in that order. */
  | 'order per publisher'
  /** Realtime: what a node accepted reaches the subscribers of that node. */
  | 'local signals arrive'
  /** Realtime: nothing is delivered late. */
  | 'nothing late'
  /** Realtime, recoverable: what is missing is told. */
  | 'no silent gap'
  /** Realtime: local deliveries pause at most so much longer than without the fault. */
  | 'no silence'
  | 'recovery in time'
  | 'memory bounded'
  /** While there is no fault, everything that is sent is accepted, in every channel. */
  | 'no trouble without a fault'
  /** No process ends by itself. */
  | 'all alive'

/** A disaster, and how it ends. */
export interface Fault {
  /** As on the command line: `redis-killed-restarts-empty`. */
  readonly name: string
  /** One sentence: what is done. */
  readonly about: string
  /** How long it is in force, in milliseconds, where the usual is not right. */
  readonly holdMs?: number
  /** Nodes that the fault itself stops, so that silence there is not judged. */
  readonly strikes?: readonly number[]
  /** What can't be kept under this fault by anybody, and why; it stands in the table. */
  readonly excuses?: Partial<Record<Invariant, string>>
  /** The stage can't be used for another fault afterwards. */
  readonly spoils?: boolean
  /** Only where the system has it: workers, a ledger, a Postgres that it depends on. */
  suits?(system: System): boolean
  /** Why it can't be done on this machine; undefined where it can. */
  unavailable?(): string | undefined
  /** Does it, once; resolves when it is in force. The result ends it and resolves when the way is clear again. */
  inject(stage: Stage, running: Running, random: () => number): Promise<() => Promise<void>>
}
