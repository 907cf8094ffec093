import type { NamespaceOptions } from '../../src/domain/index.ts'
import type { Subscription } from '../../src/hub/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import {
  createRealtimeTier,
  type RealtimeSubscribe,
  type RealtimeTier,
  type RealtimeTimings,
} from '../../src/realtime/index.ts'
import { RecordingOutlet } from './recording-outlet.ts'

let made = 0

/** A prefix in Redis of one test's own. */
export function ownPrefix(): string {
  return `test-${process.pid}-${++made}`
}

/** A machine that runs tests is slow at times without anything being wrong with Redis. */
export const slowMachine: Partial<RealtimeTimings> = { promptMs: 1_000 }

export function startNode(
  redisUrl: string | undefined,
  prefix: string,
  timings: Partial<RealtimeTimings> = {},
): Promise<RealtimeTier> {
  return createRealtimeTier({
    redis: redisUrl,
    prefix,
    nodeId: `node-${process.pid}-${++made}`,
    logger: createLogger('silent'),
    timings: { ...slowMachine, ...timings },
  })
}

const plain: NamespaceOptions = {
  tier: 'realtime',
  presence: true,
  joinLeave: true,
  history: { size: 0, ttlSeconds: 60 },
  forceRecovery: false,
  forcePositioning: false,
  replay: { maxPushed: 0 },
  retention: { maxAgeSeconds: 0, maxEvents: 0 },
  cursors: { hold: [], holdSeconds: 0 },
  allow: { subscribe: [], publish: [], append: [], presence: [], history: [] },
}

/** A realtime namespace that remembers nothing. */
export const forgetful = plain

/** A realtime namespace with a short history whose subscribers can recover. */
export const remembering: NamespaceOptions = {
  ...plain,
  history: { size: 100, ttlSeconds: 60 },
  forceRecovery: true,
}

/** Subscribes as the gateway does: the reply, and in the same turn `join`. */
export async function enter(
  tier: RealtimeTier,
  channel: string,
  outlet: RecordingOutlet = new RecordingOutlet(),
  request: Partial<RealtimeSubscribe> = {},
): Promise<{ outlet: RecordingOutlet; subscription: Subscription }> {
  outlet.onEnd = ended => tier.unsubscribe(ended, outlet.client)
  const subscription = await tier.subscribe({ channel, outlet, options: forgetful, ...request })
  subscription.join()
  return { outlet, subscription }
}
