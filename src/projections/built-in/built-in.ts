import type { ProjectionsConfig } from '../../platform/index.ts'
import type { Projection } from '../types.ts'
import { channelActivity } from './channel-activity.ts'
import { deliveries } from './deliveries.ts'
import { quakesByRegion } from './quakes-by-region.ts'

/** Those that the configuration switches on. */
export function builtInProjections(config: ProjectionsConfig): readonly Projection[] {
  return [
    ...(config.channelActivity ? [channelActivity(given(config.channelActivity))] : []),
    ...(config.deliveries ? [deliveries(config.deliveries)] : []),
    ...(config.quakesByRegion ? [quakesByRegion(given(config.quakesByRegion))] : []),
  ] as unknown as readonly Projection[]
}

function given({ channels, changes }: { channels: readonly string[]; changes?: string | undefined }) {
  return changes === undefined ? { channels } : { channels, changes }
}
