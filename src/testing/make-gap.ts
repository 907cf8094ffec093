import type { TestNode } from './test-node.ts'
import { within } from './within.ts'

interface GapParts {
  readonly nodes: readonly TestNode<never>[]
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  /** How long it waits for whoever still needs the events. */
  readonly withinMs: number
}

/** Removes what `act` has recorded in a channel, and all before it. @throws Error where that cannot be */
export async function makeGap(channel: string, act: () => unknown, parts: GapParts): Promise<void> {
  const [node] = parts.nodes
  if (!node) return
  const history = (of: TestNode<never>) => of.hf.history(channel as never, { limit: 0 })
  const before = await history(node)
  await act()
  const after = await history(node)
  if (after.offset <= before.offset && after.epoch === before.epoch) {
    throw new Error(
      `nothing was recorded in ${channel}: have \`act\` append or publish what clients are to miss`,
    )
  }
  if (parts.redisUrl === undefined)
    throw new Error('a gap needs Redis, through which the nodes are told to forget')
  const { namespaces } = node.hf.config
  const namespace = channel.includes(':') ? channel.slice(0, channel.indexOf(':')) : ''
  if (namespaces[namespace]?.tier === 'durable') await removeEvents(channel, after, parts)
  else await forgetHistory(channel, node, parts.redisUrl)
}

/**
 * As retention does, and with what nodes and Redis keep in hand: an event that is erased is forgotten everywhere at once, and
 * with it all that is kept of its channel.
 */
async function removeEvents(
  channel: string,
  { offset, epoch }: { readonly offset: number; readonly epoch: string },
  { nodes, databaseUrl, redisUrl, withinMs }: GapParts,
): Promise<void> {
  const { connectPostgres, createLogger } = await import('../platform/index.ts')
  const { createOperations, forgetNow } = await import('../durable/index.ts')
  const logger = createLogger('silent')
  const sql = connectPostgres(databaseUrl ?? '', { max: 1, applicationName: 'holdfast-testing' })
  try {
    const [place] = await sql<{ partition: number; position: number }[]>`
      select partition, position from holdfast.events where channel = ${channel} and "offset" = ${offset}`
    const { partition = 0, position = 0 } = place ?? {}
    // As retention waits: nothing goes that a projection or a group has not handled yet.
    let behind: readonly { holder: string }[] = []
    const nobody = () =>
      `nobody needs the events of ${channel} any more, as ${behind.map(({ holder }) => holder).join(', ')} still did: is it paused, failing, or never moved on?`
    await within(nobody, withinMs, async () => {
      behind = await sql<{ holder: string }[]>`
        select holder from holdfast.needed_by(${partition}, ${channel}) as n
        where n."offset" < ${offset}::bigint or n.position < ${position}::bigint order by holder limit 10`
      return behind.length === 0
    })
    const reason = 'a test makes a gap'
    await createOperations(sql).erasure.erase({
      channel,
      event: { offset },
      actor: 'holdfast/testing',
      reason,
    })
    for (let removed = 1; removed > 0; ) {
      const [row] = await sql<{ removed: number }[]>`
        select holdfast.remove_events(${epoch}, ${partition}, ${channel}, ${offset}::bigint, 1000) as removed`
      removed = row?.removed ?? 0
    }
    if (!(await forgetNow(sql, redisUrl ?? '', logger)))
      throw new Error('a gap cannot be made while Redis is away')
  } finally {
    await sql.end({ timeout: 1 })
  }
  for (const { hf } of nodes) {
    await within(`a node has forgotten ${channel}`, 20_000, async () => {
      const { publications } = await hf.history(channel as never, { since: { offset: 0, epoch }, limit: 1 })
      return publications.length === 0 || (publications[0]?.offset ?? 0) > offset
    })
  }
}

/** As a Redis that has lost it: the channel's numbering begins anew. */
async function forgetHistory(channel: string, node: TestNode<never>, redisUrl: string): Promise<void> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 1 })
  redis.on('error', () => undefined)
  try {
    const { prefix } = node.hf.config.redis
    await redis.del(`${prefix}:{${channel}}:history`, `${prefix}:{${channel}}:meta`)
  } catch (cause) {
    throw new Error('a gap cannot be made while Redis is away', { cause })
  } finally {
    redis.disconnect()
  }
}
