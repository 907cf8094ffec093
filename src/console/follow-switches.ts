import type { Logger } from '../platform/index.ts'
import { PostgresSource } from './postgres-source.ts'
import { readSwitches } from './store.ts'
import type { NamespaceSwitches } from './switches.ts'

const restMs = 5_000

/** Learns of read-only namespaces on a node that has no console of its own: operators switch them for all nodes. */
export function followSwitches(
  url: string | undefined,
  switches: NamespaceSwitches,
  logger: Logger,
): { begin(): Promise<void>; close(): Promise<void> } {
  const postgres = new PostgresSource(url, logger)
  let timer: NodeJS.Timeout | undefined
  let asking = false
  const look = async () => {
    if (asking || !postgres.configured) return
    asking = true
    try {
      switches.learn(await postgres.run(readSwitches), Date.now())
    } catch (error) {
      logger.debug({ err: error }, 'which namespaces are read-only could not be read')
    } finally {
      asking = false
    }
  }
  return {
    async begin() {
      timer ??= setInterval(() => void look(), restMs).unref()
      await look()
    },
    async close() {
      clearInterval(timer)
      await postgres.close()
    },
  }
}
