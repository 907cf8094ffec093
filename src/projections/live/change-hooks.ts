import type { Logger, Transaction } from '../../platform/index.ts'
import type { ChangedBatch, ProjectionHooks } from '../hooks.ts'
import type { ChangesTo } from '../types.ts'
import type { ChangeEventType, ChangeOutlet } from './change-outlet.ts'
import { type Change, changedRows, publications } from './change-rows.ts'

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
  function send(projection: string, channel: string, texts: readonly string[]): void {
    for (const text of texts) {
      outlet.publish(channel, text).catch(error => {
        logger.warn({ err: error, projection }, 'changes of a projection could not be published')
      })
    }
  }

  return {
    async changed(batch: ChangedBatch) {
      const { projection, build, tx, afterCommit } = batch
      if (projection.changes === undefined) return
      const { n, changes } = await changedRows(batch)
      for (const [channel, own] of byChannel(projection.changes, changes)) {
        const texts = publications(build, { n, changes: own })
        if (outlet.isDurable(channel)) await record(tx, channel, 'ProjectionChanged', texts)
        else afterCommit(() => send(projection.name, channel, texts))
      }
    },

    async switched({ projection, build, previous, tx }) {
      const channel = changesOf(projection, build.version)
      // At the very first build nobody has read anything. Of many channels each learns from its next change.
      if (typeof channel !== 'string' || previous === undefined) return undefined
      const { id, version } = build
      const text = JSON.stringify({ projection, version, build: id, reset: true })
      if (!outlet.isDurable(channel)) return () => send(projection, channel, [text])
      await record(tx, channel, 'ProjectionReset', [text])
      return undefined
    },
  }
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
