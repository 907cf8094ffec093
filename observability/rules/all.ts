import { dependencyAlerts } from './dependencies.ts'
import { diskAlerts } from './disks.ts'
import { durableAlerts } from './durable.ts'
import { nodeAlerts } from './nodes.ts'
import { objectiveAlerts, objectiveRecordings } from './objectives.ts'
import { probeAlerts } from './probes.ts'
import { realtimeAlerts } from './realtime.ts'
import { rateRecordings } from './recordings.ts'
import { type Alert, type Alerts, alertRule, type Group } from './rule.ts'
import type { Time } from './time.ts'

const parts: readonly Alerts[] = [
  objectiveAlerts,
  probeAlerts,
  nodeAlerts,
  realtimeAlerts,
  durableAlerts,
  dependencyAlerts,
  diskAlerts,
]

export function allAlerts(time: Time): readonly Group<Alert>[] {
  return parts.map(part => part(time))
}

/** The content of the two rule files. */
export function ruleFiles(time: Time): { recording: object; alerts: object } {
  const { interval } = time
  return {
    recording: {
      groups: [rateRecordings(time), objectiveRecordings(time)].map(group => ({ ...group, interval })),
    },
    alerts: {
      groups: allAlerts(time).map(({ name, rules }) => ({ name, interval, rules: rules.map(alertRule) })),
    },
  }
}
