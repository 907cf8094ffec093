import type { Disconnect } from '../protocol/index.ts'
import type { Sink } from './sink.ts'

/** One connection as its session sees it; how bytes are framed is the transport's affair. */
export interface Transport {
  readonly sink: Sink
  /** Tells the peer why and ends. What was written before still reaches it. Safe to call twice. */
  close(disconnect: Disconnect): void
  /** Stops and takes up again reading from the peer. */
  pause(): void
  resume(): void
}
