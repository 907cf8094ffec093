import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { asHoldfastError, HoldfastError } from '../domain/index.ts'
import type { DeliveryOperations, Preview, Selection } from '../durable/index.ts'
import type { Cluster } from '../gateway/index.ts'
import { selection } from './selection.ts'
import type { BulkProgress, ParkedPreview } from './wire-work.ts'

/** Acts that are remembered; the oldest are forgotten first. */
const mostRemembered = 200
const previewMs = 300_000
/** At the same time on this node. */
const mostAtOnce = 4

const topic = 'console.bulk'
const asked = z.object({ id: z.string() })
const bulkAct = z.enum(['redrive', 'discard'])
const progressOf = z.object({
  id: z.string(),
  act: bulkAct,
  total: z.number(),
  changed: z.number(),
  done: z.boolean(),
  notParked: z.number(),
  problem: z.string().nullable(),
})

/** A preview says by itself what it was about, so that any node behind a balancer understands it. It proves nothing but that. */
const previewed = z.object({ act: bulkAct, selection, count: z.number(), at: z.number(), until: z.number() })
export type Previewed = z.output<typeof previewed>

export interface Ended {
  readonly act: BulkProgress['act']
  readonly selection: Selection
  readonly progress: BulkProgress
}

/**
 * Acts on many parked deliveries: first a preview, then the act that names it. They take their time, in steps of Postgres;
 * whoever asked looks how far they are.
 */
export class BulkActs {
  readonly #deliveries: () => DeliveryOperations
  readonly #cluster: Cluster
  readonly #known = new Map<string, BulkProgress>()

  constructor(deliveries: () => DeliveryOperations, cluster: Cluster) {
    this.#deliveries = deliveries
    this.#cluster = cluster
    cluster.answerTo(topic, async body => {
      const { data } = asked.safeParse(body)
      return (data && this.#known.get(data.id)) ?? null
    })
  }

  preview(act: BulkProgress['act'], wanted: Selection, preview: Preview): ParkedPreview {
    const { count, reasons, sample, at } = preview
    const text = JSON.stringify({ act, selection: wanted, count, at, until: Date.now() + previewMs })
    return { preview: Buffer.from(text).toString('base64url'), act, count, reasons, sample }
  }

  /** What a preview was about. @throws HoldfastError REQUEST_INVALID where it is none, or too old */
  previewed(preview: string): Previewed {
    const { data } = previewed.safeParse(jsonOf(Buffer.from(preview, 'base64url').toString()))
    if (data && Date.now() <= data.until) return data
    throw new HoldfastError('REQUEST_INVALID', 'the preview is too old: look again what it would hit')
  }

  /**
   * Begins what a preview has shown, and nothing that was parked since.
   * @throws HoldfastError REQUEST_INVALID where it would hit fewer than were seen; RATE_LIMITED
   */
  begin(
    { act, selection, count, at }: Previewed,
    seen: { count: number; now: number },
    by: { actor: string; reason: string },
    onEnd: (ended: Ended) => void,
  ): BulkProgress {
    if (seen.count !== count || seen.now !== count)
      throw new HoldfastError(
        'REQUEST_INVALID',
        `the preview said ${count}, the act ${seen.count}, and now it would be ${seen.now}: look again what it would hit`,
      )
    if (act === 'discard' && by.reason.trim() === '')
      throw new HoldfastError('REQUEST_INVALID', 'reason: discarding needs one, because it is for good')
    if ([...this.#known.values()].filter(({ done }) => !done).length >= mostAtOnce)
      throw new HoldfastError(
        'RATE_LIMITED',
        `${mostAtOnce} acts are under way on this node: wait for one of them`,
      )
    const begun = {
      id: randomUUID(),
      act,
      total: count,
      changed: 0,
      done: false,
      notParked: 0,
      problem: null,
    }
    this.#remember(begun)
    const wanted = { ...selection, at }
    void this.#run(begun, wanted, by).then(progress => onEnd({ act, selection: wanted, progress }))
    return begun
  }

  /** Wherever it runs. @throws HoldfastError REQUEST_INVALID */
  async progress(id: string): Promise<BulkProgress> {
    const known = this.#known.get(id)
    if (known) return known
    const { answers } = await this.#cluster.ask(topic, { id })
    for (const answer of answers.values()) {
      const { data } = progressOf.safeParse(answer)
      if (data) return data
    }
    throw new HoldfastError('REQUEST_INVALID', 'no node that is heard knows an act of this id')
  }

  async #run(
    begun: BulkProgress,
    wanted: Selection,
    by: { actor: string; reason: string },
  ): Promise<BulkProgress> {
    let progress = begun
    const update = (more: Partial<BulkProgress>) => {
      progress = { ...progress, ...more }
      this.#known.set(progress.id, progress)
    }
    const onStep = (changed: number) => update({ changed: progress.changed + changed })
    try {
      const { changed, notParked } = await (begun.act === 'redrive'
        ? this.#deliveries().redrive(wanted, by, onStep)
        : this.#deliveries().discard(wanted, by, onStep))
      update({ changed, notParked, done: true })
    } catch (error) {
      update({ done: true, problem: asHoldfastError(error).message })
    }
    return progress
  }

  #remember(progress: BulkProgress): void {
    this.#known.set(progress.id, progress)
    for (const [oldest, { done }] of this.#known) {
      if (this.#known.size <= mostRemembered) break
      if (done) this.#known.delete(oldest)
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
