import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import { type DueChannel, dueChannels } from './due-channels.ts'
import { type RetainedNamespaces, rulesOf } from './retention-rules.ts'

/** One whom retention waits for. */
export interface Holder {
  /** `group/<name>`, `open deliveries of <consumer>` or `cursor/<name> of <user>`. */
  readonly holder: string
  /** Channels in which it holds something back. */
  readonly channels: number
  /** When it moved last, in milliseconds since 1970: of several places, the one that has stood still the longest. */
  readonly since: number
}

export interface NamespaceRetention {
  readonly namespace: string
  /** 0: no bound. */
  readonly maxAgeSeconds: number
  readonly maxEvents: number
  /** What the namespace no longer keeps and is still there: of age, at most a thousand events a channel are counted. */
  readonly due: { readonly channels: number; readonly events: number }
  /** Of that, what is held back; the longest first. Nobody: the next pass removes it. */
  readonly heldBy: readonly Holder[]
}

/** Looks through all channels of the namespaces that have a retention. `onPartition` is called once for each part of the work. */
export async function retentionStatus(
  sql: Sql,
  namespaces: RetainedNamespaces,
  onPartition: () => void = () => undefined,
): Promise<NamespaceRetention[]> {
  const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
  const status = new Map<string, Tally>()
  for (const rule of rulesOf(namespaces)) {
    const { namespace, maxAgeSeconds, maxEvents } = rule
    const tally = status.get(namespace) ?? new Tally({ namespace, maxAgeSeconds, maxEvents })
    status.set(namespace, tally)
    for (let partition = 0; partition < (ledger?.partitions ?? 0); partition++) {
      for await (const due of dueChannels(sql, rule, partition)) {
        for (const { oldest, through } of due) tally.due(through - oldest + 1)
        for (const row of await holders(sql, partition, due)) tally.held(row)
      }
      onPartition()
    }
  }
  return [...status.values()].map(tally => tally.result())
}

/** How often `onPartition` will be called. */
export async function retentionWork(sql: Sql, namespaces: RetainedNamespaces): Promise<number> {
  const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
  return rulesOf(namespaces).length * (ledger?.partitions ?? 0)
}

async function holders(
  sql: Sql,
  partition: number,
  due: readonly DueChannel[],
): Promise<{ holder: string; channel: string; since: number }[]> {
  if (due.length === 0) return []
  return sql<{ holder: string; channel: string; since: number }[]>`
    select n.holder, c.channel, n.since
    from unnest(${textArray(due, one => one.channel)}::text[], ${intArray(due, one => one.through)}::bigint[])
           as c (channel, through),
         lateral (select e.position from holdfast.events as e
                  where e.partition = ${partition} and e.channel = c.channel and e."offset" = c.through) as last,
         lateral holdfast.needed_by(${partition}, c.channel) as n
    where n.position < last.position or n."offset" < c.through`
}

class Tally {
  readonly #rule: Pick<NamespaceRetention, 'namespace' | 'maxAgeSeconds' | 'maxEvents'>
  readonly #holders = new Map<string, { channels: number; since: number }>()
  #channels = 0
  #events = 0

  constructor(rule: Pick<NamespaceRetention, 'namespace' | 'maxAgeSeconds' | 'maxEvents'>) {
    this.#rule = rule
  }

  due(events: number): void {
    this.#channels++
    this.#events += events
  }

  held({ holder, since }: { holder: string; since: number }): void {
    const known = this.#holders.get(holder)
    this.#holders.set(holder, {
      channels: (known?.channels ?? 0) + 1,
      since: Math.min(known?.since ?? since, since),
    })
  }

  result(): NamespaceRetention {
    const heldBy = [...this.#holders].map(([holder, rest]) => ({ holder, ...rest }))
    return {
      ...this.#rule,
      due: { channels: this.#channels, events: this.#events },
      heldBy: heldBy.sort((a, b) => a.since - b.since),
    }
  }
}
