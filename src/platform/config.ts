import { z } from 'zod'
import { canaryNamespaces, HoldfastError, systemNamespace } from '../domain/index.ts'
import { consoleConfig } from './config-console.ts'
import { jobsConfig } from './config-jobs.ts'
import { outboxConfig } from './config-outbox.ts'
import { canarySeconds, proberConfig } from './config-prober.ts'
import { projectionsConfig } from './config-projections.ts'
import { publicationRate, publicationRateDefault, ratesConfig } from './config-rates.ts'
import { type RedisConfig, redisConfig } from './config-redis.ts'
import { telemetryConfig } from './config-telemetry.ts'

const grantee = z.enum(['anonymous', 'client', 'subscriber', 'token'])

const namespaceFields = {
  tier: z.enum(['realtime', 'durable']),
  presence: z.boolean(),
  joinLeave: z.boolean(),
  history: z.strictObject({
    size: z.int().min(0).max(100_000).default(0),
    ttlSeconds: z
      .int()
      .min(1)
      .max(7 * 86_400)
      .default(300),
  }),
  forceRecovery: z.boolean(),
  forcePositioning: z.boolean(),
  publicationRate,
  replay: z.strictObject({ maxPushed: z.int().min(0).max(1_000_000) }),
  retention: z.strictObject({
    maxAgeSeconds: z.int().min(0).default(0),
    maxEvents: z.int().min(0).default(0),
  }),
  cursors: z.strictObject({
    /** Names of cursors that retention waits for. */
    hold: z.array(z.string()).default([]),
    /** A cursor that has not moved for so long is waited for no more; 0: for ever. */
    holdSeconds: z
      .int()
      .min(0)
      .default(30 * 86_400),
  }),
  /** The types of events that clients may append themselves; left out: all. The others follow from commands only. */
  appendTypes: z.array(z.string().min(1).max(255)).optional(),
  allow: z.strictObject({
    subscribe: z.array(grantee).default([]),
    publish: z.array(grantee).default([]),
    append: z.array(grantee).default([]),
    presence: z.array(grantee).default([]),
    history: z.array(grantee).default([]),
  }),
}
const namespaceInput = z.strictObject(namespaceFields).partial()

const namespaceDefaults = {
  tier: 'realtime' as const,
  presence: false,
  joinLeave: false,
  history: { size: 0, ttlSeconds: 300 },
  forceRecovery: false,
  forcePositioning: false,
  publicationRate: publicationRateDefault,
  replay: { maxPushed: 10_000 },
  retention: { maxAgeSeconds: 0, maxEvents: 0 },
  cursors: { hold: [], holdSeconds: 2_592_000 },
  allow: { subscribe: [], publish: [], append: [], presence: [], history: [] },
}

/** The configuration as a file or the library's caller gives it; everything has a default. */
export const configSchema = z.strictObject({
  /**
   * What this process does: `gateway` serves clients, `worker` does the work behind the log (groups, jobs, the outbox,
   * retention), `all` both.
   */
  role: z.enum(['all', 'gateway', 'worker']).default('all'),
  workers: z
    .strictObject({
      /** How long a worker that is not heard of keeps its partitions. */
      leaseMs: z.int().min(1_000).max(60_000).default(5_000),
      /** Connections to Postgres for handlers: so many of them are at work at a time in this process. */
      poolSize: z.int().min(1).max(100).default(4),
    })
    .prefault({}),
  outbox: outboxConfig.prefault({}),
  jobs: jobsConfig.prefault({}),
  /** Built-in read models. */
  projections: projectionsConfig.prefault({}),
  prober: proberConfig.prefault({}),
  http: z
    .strictObject({
      host: z.string().default('0.0.0.0'),
      port: z.int().min(0).max(65_535).default(8000),
      /** Whether `GET /metrics` answers, in the Prometheus format. It names namespaces, groups and rules. */
      metrics: z.boolean().default(true),
      /** Addresses, or networks like `10.0.0.0/8`, whose `X-Forwarded-For` is believed. */
      trustedProxies: z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])).default([]),
    })
    .prefault({}),
  redis: redisConfig.prefault({}),
  postgres: z
    .strictObject({
      url: z
        .string()
        .regex(/^postgres(ql)?:\/\//, 'expected postgres:// or postgresql://')
        .optional(),
      /** Connections per node for everything but appends. */
      poolSize: z.int().min(2).max(100).default(6),
      /** How many batches of appends may be in flight at once on this node, each over its own partitions. */
      lanes: z.int().min(1).max(64).default(1),
      /** Allows a server with `fsync = off`, which loses acknowledged events when its machine stops. For tests. */
      allowUnsafeFsync: z.boolean().default(false),
      /** Bring the schema up to date at start instead of refusing to run on an old one. */
      migrate: z.boolean().default(false),
      /** How often one of the nodes removes what the namespaces' `retention` no longer keeps. */
      retentionIntervalMs: z.int().min(50).default(60_000),
    })
    .prefault({}),
  auth: z
    .strictObject({
      /** Development only: everyone may connect and do everything. */
      insecure: z.boolean().default(false),
      allowAnonymous: z.boolean().default(false),
      /** Origins of browsers that may connect, `*` for all. Requests without an Origin header always may. */
      allowedOrigins: z.array(z.string()).default([]),
      /** A namespace: each signed-in connection is subscribed to `<namespace>:#<user>` from the server's side. */
      personalNamespace: z.string().optional(),
      token: z
        .strictObject({
          hmacSecret: z.string().min(1).optional(),
          publicKey: z.string().min(1).optional(),
          jwksUrl: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
          audience: z.string().optional(),
          issuer: z.string().optional(),
        })
        .prefault({}),
    })
    .prefault({}),
  api: z.strictObject({ key: z.string().min(1).optional() }).prefault({}),
  limits: z
    .strictObject({
      /** Bytes of one frame from a client. */
      maxFrameBytes: z.int().min(512).max(16_777_216).default(65_536),
      /** Bytes that may wait for one socket before it is cut as a slow consumer (3008). */
      maxMailboxBytes: z.int().min(4_096).default(1_048_576),
      /** Connections of this node; 0: as many as its process can hold. */
      maxConnections: z.int().min(0).default(100_000),
      /** Connections of one client address to this node; 0: no limit. */
      maxConnectionsPerAddress: z.int().min(0).default(0),
      /** Connections of one user to this node (3504); 0: no limit. */
      maxConnectionsPerUser: z.int().min(0).default(0),
      rates: ratesConfig,
      /** Bytes of commands under way on this node, above which clients are told to come back. */
      maxCommandBytes: z.int().min(65_536).default(134_217_728),
      /** Requests of the HTTP API under way on this node, and bytes of their bodies (503). */
      maxApiRequests: z.int().min(1).default(1_000),
      maxApiBytes: z.int().min(65_536).default(67_108_864),
      /** Subscriptions of one connection. */
      maxChannelsPerConnection: z.int().min(1).default(128),
      /** Cursors of one user, over all channels. */
      maxCursorsPerUser: z.int().min(1).default(1_000),
      /** Entries of one history reply. */
      maxHistoryLimit: z.int().min(1).max(10_000).default(300),
      pingIntervalMs: z.int().min(1_000).default(25_000),
      pongTimeoutMs: z.int().min(500).default(8_000),
      /** How long a socket may be open without a successful connect command. */
      connectTimeoutMs: z.int().min(500).default(10_000),
      /** Grace after a connection or subscription token's expiry. */
      expiryGraceMs: z.int().min(0).default(25_000),
      /** How long a hook of the application may take before it counts as refused for now. */
      hookTimeoutMs: z.int().min(10).default(5_000),
      /** How long a stopping node waits for its clients and its work. */
      drainTimeoutMs: z.int().min(100).default(4_000),
      /** How long a stopping node still serves while its readiness says 503, so that balancers take it out first. */
      drainDelayMs: z.int().min(0).max(600_000).default(0),
      /** How late the event loop has to be for new connections to be refused (503), in milliseconds; 0: they never are. */
      shedLagMs: z.number().min(0).max(60_000).default(500),
      /** How much of the heap, or of the container's memory, may be used before they are; 0: they never are. */
      shedMemoryShare: z.number().min(0).max(1).default(0.9),
      /** Over how long a stopping node sends its clients away. */
      drainSpreadMs: z.int().min(0).max(600_000).default(2_000),
    })
    .prefault({}),
  /** Whether this node serves the meeting room at `/demo`. */
  demo: z.boolean().default(false),
  console: consoleConfig.prefault({}),
  telemetry: telemetryConfig.prefault({}),
  log: z
    .strictObject({ level: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info') })
    .prefault({}),
  defaults: namespaceInput.default({}),
  namespaces: z
    .record(z.string().regex(/^[\w.-]*$/, 'expected letters, digits, _ . or -'), namespaceInput)
    .default({}),
})

/** A subscription of the server's that cannot be made refuses the connection: here, of everyone who signs in. */
const checkedSchema = configSchema
  .refine(
    ({ auth: { personalNamespace }, namespaces }) =>
      personalNamespace === undefined || Object.hasOwn(namespaces, personalNamespace),
    { path: ['auth', 'personalNamespace'], error: 'expected the name of a declared namespace' },
  )
  .refine(
    ({ namespaces: { [systemNamespace]: own } }) =>
      !own || (own.tier === 'durable' && !own.allow?.publish.length && !own.allow?.append.length),
    {
      path: ['namespaces', systemNamespace],
      error: 'expected tier durable, and neither publish nor append allowed: only Holdfast writes there',
    },
  )

export type ConfigInput = z.input<typeof configSchema>
type Parsed = z.output<typeof configSchema>
export type NamespaceConfig = z.output<z.ZodObject<typeof namespaceFields>>

/** A complete configuration: frozen, with every default filled in and namespaces merged with `defaults`. */
export type Config = Omit<Parsed, 'defaults' | 'namespaces'> & {
  readonly namespaces: Readonly<Record<string, NamespaceConfig>>
}

/**
 * Checks a configuration and fills in defaults. Every mistake is reported in one error.
 * @throws HoldfastError CONFIG_INVALID
 */
export function parseConfig(input: unknown): Config {
  const result = checkedSchema.safeParse(input)
  if (!result.success) throw invalid(result.error)
  const { defaults, namespaces, ...rest } = result.data
  const merged = Object.fromEntries(
    Object.entries(namespaces).map(([name, own]) => [name, mergeNamespace(defaults, own)]),
  )
  // There wherever there is a ledger; a configuration declares it only to say who may read it.
  if (rest.postgres.url !== undefined) merged[systemNamespace] ??= mergeNamespace({}, { tier: 'durable' })
  if (rest.prober.enabled) Object.assign(merged, ofCanaries)
  return deepFreeze({ ...rest, namespaces: merged })
}

/** Only where Redis is, for commands that need nothing else. @throws HoldfastError CONFIG_INVALID */
export function parseRedis(input: unknown): RedisConfig {
  const result = z.object({ redis: redisConfig.prefault({}) }).safeParse({ redis: input })
  if (!result.success) throw invalid(result.error)
  return result.data.redis
}

function invalid({ issues }: z.ZodError): HoldfastError {
  const lines = issues.map(issue => `  ${issue.path.join('.') || '(root)'}: ${issue.message}`)
  return new HoldfastError('CONFIG_INVALID', `the configuration is not valid:\n${lines.join('\n')}`)
}

type NamespaceInput = z.output<typeof namespaceInput>

const ofCanaries: Readonly<Record<string, NamespaceConfig>> = {
  [canaryNamespaces.realtime]: mergeNamespace({}, { tier: 'realtime' }),
  [canaryNamespaces.durable]: mergeNamespace(
    {},
    { tier: 'durable', retention: { maxAgeSeconds: canarySeconds, maxEvents: 0 } },
  ),
}

function mergeNamespace(defaults: NamespaceInput, own: NamespaceInput): NamespaceConfig {
  const defined = (part: NamespaceInput) =>
    Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined))
  return { ...namespaceDefaults, ...defined(defaults), ...defined(own) } as NamespaceConfig
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const child of Object.values(value)) deepFreeze(child)
    Object.freeze(value)
  }
  return value
}
