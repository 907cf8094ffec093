import { fileURLToPath } from 'node:url'
import { freePort } from '../../../src/cli/services/free-port.ts'
import { startProcess } from '../process.ts'
import type { OwnStage } from '../stage.ts'
import type { Client, Running, Stage, Stored } from '../types.ts'

export interface Parts {
  readonly nodes: number
  /** Of `programs/`. */
  readonly server: string
  readonly workers?: readonly string[]
  readonly options: object
  client(port: number): Client
  stored?(channels: readonly string[]): Promise<readonly Stored[]>
  end?(): Promise<void>
}

/** How long a supervisor waits before it starts what has crashed. */
const restartAfterMs = 300

/**
 * Programs under a supervisor, as they would run in production. Of what has no store nothing is said to be
 * stored: what it has acknowledged is wherever it was delivered, and nowhere else.
 */
export async function run(stage: Stage, parts: Parts): Promise<Running> {
  const deaths: string[] = []
  const start = (name: string, program: string, port: number) =>
    startProcess({
      name,
      args: [
        fileURLToPath(new URL(`./programs/${program}.ts`, import.meta.url)),
        JSON.stringify({ ...parts.options, port }),
      ],
      port,
      ready: /^ready$/,
      deaths,
      restartAfterMs,
      keeper: (stage as OwnStage).keeper,
    })
  const nodes = await Promise.all(
    Array.from({ length: parts.nodes }, async (_, i) => start(`node-${i}`, parts.server, await freePort())),
  )
  const workers = await Promise.all((parts.workers ?? []).map((each, i) => start(`worker-${i}`, each, 0)))
  return {
    nodes,
    workers,
    deaths,
    client: async node => parts.client(nodes[node]?.port ?? 0),
    stored: async channels => (await parts.stored?.(channels)) ?? [],
    effects: async () => [],
    async stop() {
      await Promise.all([...nodes, ...workers].map(each => each.kill()))
      await parts.end?.()
    },
  }
}
