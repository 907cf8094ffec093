import { expect } from 'vitest'
import { type Client, type ClientOptions, createClient, type ErrorContext } from '../../src/client/index.ts'
import { Script, type ScriptedNode } from './scripted-node.ts'

/** Of which `record` records. */
export const channel = 'order:7'

/** A client that is connected to a scripted node, and what it tells of failures. */
export class ClientStage {
  readonly script: Script
  readonly node: ScriptedNode
  readonly client: Client
  readonly errors: { readonly error: unknown; readonly context: ErrorContext }[] = []
  readonly #options: ClientOptions
  readonly #clients: Client[] = []
  readonly #stray: unknown[] = []
  readonly #onStray = (error: unknown) => this.#stray.push(error)

  static async open(options: ClientOptions = {}): Promise<ClientStage> {
    const script = new Script()
    const stage = new ClientStage(script, await script.node(), options)
    await stage.client.connect()
    return stage
  }

  private constructor(script: Script, node: ScriptedNode, options: ClientOptions) {
    this.script = script
    this.node = node
    this.#options = options
    process.on('unhandledRejection', this.#onStray)
    this.client = this.another()
  }

  /** Another client of the node, not connected yet; it ends with the stage. */
  another(options: ClientOptions = {}): Client {
    const client = createClient(this.node.url, {
      reconnectDelayMs: { min: 1, max: 20 },
      timeoutMs: 2_000,
      onError: (error, context) => this.errors.push({ error, context }),
      ...this.#options,
      ...options,
    })
    this.#clients.push(client)
    return client
  }

  record(count: number, type = 'Counted'): void {
    for (let i = 0; i < count; i++) this.script.record(channel, type, { n: this.script.head(channel) + 1 })
  }

  /** Ends all, and expects that no rejection was left to nobody. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    // What ends with a client ends a few turns later.
    for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
    await this.script.close()
    process.off('unhandledRejection', this.#onStray)
    expect(this.#stray).toEqual([])
  }
}
