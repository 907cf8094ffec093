/** What a run of the chaos suite is made of: a system under test, faults, and the record that the checker judges. */

export type Tier = 'realtime' | 'durable'

/** `unknown`: no answer came, so it may have taken effect or not. */
export type Outcome = 'ok' | 'failed' | 'unknown'

/** One thing that a writer tried to say; `value` is unique over the whole run. */
export interface Attempt {
  readonly tier: Tier
  readonly channel: string
  readonly writer: string
  /** Counts a writer's attempts in a channel: 1, 2, 3 … */
  readonly sequence: number
  readonly value: string
  /** By `performance.now()` of the runner. */
  readonly sentAt: number
  readonly endedAt: number
  readonly outcome: Outcome
  /** Durable, acknowledged. */
  readonly offset?: number
}

/** One thing that a subscription was given. */
export interface Delivery {
  readonly tier: Tier
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
  readonly values: readonly { readonly value: string; readonly offset: number }[]
}

/** Everything that happened in a run, as the checker reads it. */
export interface Recorded {
  readonly attempts: readonly Attempt[]
  readonly deliveries: readonly Delivery[]
  readonly told: readonly Told[]
  readonly stored: readonly Stored[]
  /** How often the effect of a value is there, for those that a processor has handled; empty where none runs. */
  readonly effects: ReadonlyMap<string, number>
  /** Who listened to which channels from the beginning to the end, and on which node. */
  readonly subscribers: readonly {
    readonly name: string
    readonly node: number
    readonly channels: readonly string[]
  }[]
}

/** One process of the system under test. */
export interface NodeProcess {
  readonly pid: number
  kill(): Promise<void>
  /** As a deployment does it. */
  stop(): Promise<void>
  startAgain(): Promise<void>
  pause(): void
  goOn(): void
  /** Resident memory that is its own, in bytes. */
  memory(): number
}

/** A server that the system rests on, behind a proxy of its own. */
export interface Dependency {
  /** How the system reaches it: through the proxy. */
  readonly url: string
  /** Past the proxy, for the fault and the checker. */
  readonly directUrl: string
  readonly proxy: import('../support/tcp-proxy.ts').TcpProxy
  kill(): Promise<void>
  pause(): void
  goOn(): void
  /** After `kill`, at the same address. */
  startAgain(): Promise<void>
}

export interface Client {
  subscribe(
    channel: string,
    tier: Tier,
    listener: { heard(value: string, offset?: number): void; told(): void },
  ): Promise<void>
  /** Resolves with its end and never rejects. */
  send(
    channel: string,
    tier: Tier,
    value: string,
  ): Promise<{ readonly outcome: Outcome; readonly offset?: number }>
  close(): Promise<void>
}

/** Where a run takes place. */
export interface Stage {
  readonly redis: Dependency
  readonly postgres: Dependency
  readonly directory: string
}

/** What is tested: Holdfast, or one of the ways that it is compared with. */
export interface System {
  readonly name: string
  readonly tiers: readonly Tier[]
  start(stage: Stage, nodes: number): Promise<Running>
}

export interface Running {
  readonly nodes: readonly NodeProcess[]
  /** Processes beside the nodes that handle events; none where the system has no such thing. */
  readonly workers: readonly NodeProcess[]
  /** A client that stays with one node, and comes back to it. */
  client(node: number, name: string): Promise<Client>
  stored(): Promise<readonly Stored[]>
  effects(): Promise<ReadonlyMap<string, number>>
  stop(): Promise<void>
}

/** A disaster, and how it ends. */
export interface Fault {
  readonly name: string
  /** One sentence: what is done. */
  readonly about: string
  /** Why it can't be done on this machine; undefined where it can. */
  unavailable?(): string | undefined
  /** Does it, once; resolves when it is in force. The result ends it and resolves when the way is clear again. */
  inject(stage: Stage, running: Running, random: () => number): Promise<() => Promise<void>>
}
