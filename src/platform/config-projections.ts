import { z } from 'zod'
import { channelPattern, checkChannel } from '../domain/index.ts'

function accepted(check: (text: string) => unknown) {
  return (text: string, context: z.RefinementCtx) => {
    try {
      check(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  }
}

const patterns = z.array(z.string().superRefine(accepted(channelPattern))).min(1)
/** Where changes of rows are published. */
const changes = z.string().superRefine(accepted(checkChannel)).optional()

/** The read models that Holdfast brings along. One that is not named here does not exist. */
export const projectionsConfig = z.strictObject({
  /** Per channel: its last event, how many there are, how fast they come. */
  channelActivity: z.strictObject({ channels: patterns.default(['*']), changes }).optional(),
  /** What became of each event. A row per event: name the channels where that is worth it. */
  deliveries: z
    .strictObject({
      channels: patterns,
      /** The share of the events that is kept an eye on, chosen by their ids. */
      sample: z.number().gt(0).max(1).default(1),
      /** How long after an event its row is kept. */
      keepSeconds: z
        .int()
        .min(60)
        .default(7 * 86_400),
    })
    .optional(),
  /** Of the demo's data (`EarthquakeReported`): earthquakes per region. */
  quakesByRegion: z.strictObject({ channels: patterns.default(['quakes:*']), changes }).optional(),
})

export type ProjectionsConfig = z.output<typeof projectionsConfig>
