import { SignJWT } from 'jose'
import type { ConfigInput } from '../../../src/app/index.ts'

const everything: 'client'[] = ['client']

export const tokenSecret = 'the-token-secret-of-the-chaos-suite-0123456789-0123456789-0123456789-0123456789'

/** What the workload's channels are: plain signals, signals that recover, and events. */
export const nodeConfig = {
  http: { host: '127.0.0.1' },
  auth: { insecure: false, token: { hmacSecret: tokenSecret } },
  api: { key: 'chaos' },
  log: { level: 'warn' },
  // Under every fault canaries go on, and whatever they and the auditor find missing fails the run.
  prober: { enabled: true, intervalMs: 1_000, deadlineMs: 5_000, auditIntervalMs: 2_000 },
  // So that a run sees a client go that does not answer.
  limits: { pingIntervalMs: 6_000, pongTimeoutMs: 5_000 },
  namespaces: {
    room: {
      tier: 'realtime',
      presence: true,
      allow: { subscribe: everything, publish: everything, presence: everything },
    },
    recent: {
      tier: 'realtime',
      history: { size: 2_000, ttlSeconds: 300 },
      forceRecovery: true,
      allow: { subscribe: everything, publish: everything, history: everything },
    },
    order: {
      tier: 'durable',
      allow: { subscribe: everything, publish: everything, append: everything, history: everything },
    },
    /** Aggregates: clients append nothing there themselves. */
    account: { tier: 'durable', allow: { subscribe: everything, history: everything } },
    /** Events that nobody handles. */
    past: {
      tier: 'durable',
      allow: { subscribe: everything, history: everything },
    },
  },
} satisfies ConfigInput

/** Good for longer than any clock of a run jumps, where it is not said otherwise. */
export function token(user: string, within = '7d'): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime(within)
    .sign(new TextEncoder().encode(tokenSecret))
}
