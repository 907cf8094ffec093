import { eventIdFrom } from '../../domain/index.ts'
import type { Logger, Sql, Transaction } from '../../platform/index.ts'
import type { ChangedBatch, ProjectionHooks } from '../hooks.ts'
import type { Build, ChangesTo } from '../types.ts'
import type { ChangeEventType, ChangeOutlet } from './change-outlet.ts'
import { type Change, changedRows, publications } from './change-rows.ts'
import { checkOwnChanges } from './own-changes.ts'

export interface ChangeHooksOptions {
  readonly outlet: ChangeOutlet
  /** Where a projection that this process declares tells of its changes; undefined for all others. */
  readonly changesOf: (projection: string, version: number) => ChangesTo | undefined
  readonly logger: Logger
}

/**
 * Tells channels what the build that readers see has changed: a durable one in the transaction of the change, so once and in
 * the order of each row; a realtime one after the commit, where it may be lost.
 */
export function createChangeHooks({ outlet, changesOf, logger }: ChangeHooksOptions): ProjectionHooks {
  /** By projection: the build that readers saw when this process last looked. */
  const lastSeen = new Map<string, Build>()

  function send(projection: string, channel: string, texts: readonly string[]): void {
    for (const text of texts) {
      outlet.publish(channel, text).catch(error => {
        logger.warn({ err: error, projection }, 'changes of a projection could not be published')
      })
    }
  }

  /**
   * Whoever listens to either build. Nobody may declare the version that readers are taken back to, so who has listened
   * to the other one would never hear again. Of many channels each learns of another build from its next change.
   */
  function resetChannels(...builds: readonly Build[]): ReadonlySet<string> {
    const channels = builds.map(({ projection, version }) => changesOf(projection, version))
    return new Set(channels.filter(channel => typeof channel === 'string'))
  }

  return {
    async changed(batch: ChangedBatch) {
      const { projection, build, tx, afterCommit } = batch
      if (projection.changes === undefined) return
      const { n, changes } = await changedRows(batch)
      for (const [channel, own] of byChannel(projection.changes, changes)) {
        const texts = publications(build, { n, changes: own })
        if (outlet.isDurable(channel)) {
          checkOwnChanges(projection, channel)
          await record(tx, channel, 'ProjectionChanged', texts)
        } else afterCommit(() => send(projection.name, channel, texts))
      }
    },

    async switched({ projection, build, previous, tx }) {
      // At the very first build nobody has read anything.
      const channels = previous ? [...resetChannels(build, previous)] : []
      if (channels.length === 0) return undefined
      const [row] = await tx<{ switched: number }[]>`
        select floor(extract(epoch from switched) * 1000)::bigint as switched
        from holdfast.projection_builds where id = ${build.id}`
      const durable = channels.filter(channel => outlet.isDurable(channel))
      for (const channel of durable) await recordReset(tx, channel, { ...build, switched: row?.switched })
      const others = channels.filter(channel => !durable.includes(channel))
      return () => {
        for (const channel of others) send(projection, channel, [resetText(build)])
      }
    },

    /** A switch by somebody who knows no definitions, as the command line. Told by several, it is one event all the same. */
    async seen(builds, sql) {
      for (const build of builds) {
        if (build.state !== 'active') continue
        const before = lastSeen.get(build.projection)
        if (before && sightOf(before) !== sightOf(build)) {
          for (const channel of resetChannels(build, before)) {
            if (outlet.isDurable(channel)) await recordReset(sql, channel, build)
            else send(build.projection, channel, [resetText(build)])
          }
        }
        lastSeen.set(build.projection, build)
      }
    },
  }
}

function sightOf({ id, switched }: Pick<Build, 'id' | 'switched'>): string {
  return `${id}/${switched ?? 0}`
}

function resetText({ projection, version, id }: Build): string {
  return JSON.stringify({ projection, version, build: id, reset: true })
}

/** Names of switches; the value is of no meaning, and must never change. */
const switchIds = '6f1f6d0e-0f2b-4f0c-9b53-6c1d5f1c7a11'

async function recordReset(sql: Sql | Transaction, channel: string, build: Build): Promise<void> {
  const id = eventIdFrom(switchIds, `${build.projection}/${sightOf(build)}`)
  const type: ChangeEventType = 'ProjectionReset'
  await sql`
    insert into holdfast.outbox (channel, type, data, event_id)
    values (${channel}, ${type}, ${resetText(build)}, ${id})`
}

async function record(
  tx: Transaction,
  channel: string,
  type: ChangeEventType,
  texts: readonly string[],
): Promise<void> {
  await tx`
    insert into holdfast.outbox (channel, type, data, event_id)
    select ${channel}::text, ${type}::text, t.data, gen_random_uuid()
    from json_array_elements_text(${JSON.stringify(texts)}::text::json) with ordinality as t (data, n) order by t.n`
}

function byChannel(to: ChangesTo, all: readonly Change[]): ReadonlyMap<string, readonly Change[]> {
  if (typeof to === 'string') return new Map(all.length > 0 ? [[to, all]] : [])
  const channels = new Map<string, Change[]>()
  for (const change of all) {
    const { table, key, row } = change
    const channel = to({ table, key: JSON.parse(key), row: row === null ? null : JSON.parse(row) })
    if (channel === undefined) continue
    const own = channels.get(channel)
    if (own) own.push(change)
    else channels.set(channel, [change])
  }
  return channels
}
