import { z } from 'zod'

const address = z
  .string()
  .regex(/^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/i, 'expected host:port, like redis-1:6379')

/** Texts in PEM; what is left out is as Node's `tls.connect` has it. */
const tls = z.union([
  z.boolean(),
  z.strictObject({
    ca: z.string().optional(),
    cert: z.string().optional(),
    key: z.string().optional(),
    servername: z.string().optional(),
    rejectUnauthorized: z.boolean().optional(),
  }),
])

/** By an address that the servers tell, the one under which this process reaches that server. */
const natMap = z.record(address, address).optional()

const sentinel = z.strictObject({
  /** The name under which the sentinels watch the master. */
  master: z.string().min(1),
  /** Sentinels; one that answers tells of the others. */
  nodes: z.array(address).min(1),
  username: z.string().optional(),
  password: z.string().optional(),
  /** Of the sentinels themselves. */
  sentinelUsername: z.string().optional(),
  sentinelPassword: z.string().optional(),
  db: z.int().min(0).default(0),
  tls: tls.default(false),
  sentinelTls: tls.default(false),
  natMap,
})

const cluster = z.strictObject({
  /** Some of its nodes; they tell of the others. */
  nodes: z.array(address).min(1),
  username: z.string().optional(),
  password: z.string().optional(),
  tls: tls.default(false),
  natMap,
})

const place = {
  url: z
    .string()
    .regex(/^rediss?:\/\//, 'expected redis:// or rediss://')
    .optional(),
  sentinel: sentinel.optional(),
  cluster: cluster.optional(),
}

const kinds = ['url', 'sentinel', 'cluster'] as const

function given(from: unknown): string[] {
  const values = from as Partial<Record<(typeof kinds)[number], unknown>>
  return kinds.filter(kind => values[kind] !== undefined)
}

const ownPlace = z.strictObject(place).refine(own => given(own).length === 1, {
  error: ({ input }) =>
    `expected one of url, sentinel and cluster, got ${given(input).join(' and ') || 'none'}`,
})

export const redisConfig = z
  .strictObject({
    ...place,
    /** A Redis of its own for the realtime tier, for the mirror of the ledger, for jobs. */
    bus: ownPlace.optional(),
    log: ownPlace.optional(),
    jobs: ownPlace.optional(),
    /** In front of every key and bus channel of the realtime tier, so that two deployments can share a Redis. */
    prefix: z
      .string()
      .regex(/^[\w.-]+$/)
      .default('holdfast'),
  })
  .refine(redis => given(redis).length <= 1, {
    error: ({ input }) =>
      `expected one of url, sentinel and cluster, got ${given(input).join(' and ')}; REDIS_URL sets redis.url, so unset it where the file names sentinels or a cluster`,
  })

export type RedisConfig = z.output<typeof redisConfig>
export type SentinelConfig = z.output<typeof sentinel>
export type ClusterConfig = z.output<typeof cluster>
export type TlsConfig = z.output<typeof tls>
