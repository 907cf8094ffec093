import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TestSpecification } from 'vitest/node'
import { BaseSequencer } from 'vitest/node'

/**
 * The files that take longest, the longest first. Where nothing is known of earlier runs, vitest begins with the largest
 * files; a long one that comes last keeps one worker busy while the others have nothing left to do.
 */
const slowFiles: readonly string[] = [
  'test/system/groups-chaos.test.ts',
  'test/system/million-events.test.ts',
  'test/browser/demo.test.ts',
  'test/system/readme.test.ts',
  'test/observability/live.test.ts',
  'test/browser/console-page.test.ts',
  'test/browser/console.test.ts',
  'test/system/crash-window.test.ts',
  'test/bootstrap/fresh-clone.test.ts',
  'test/system/prober.test.ts',
  'test/examples.test.ts',
  'test/system/chaos.test.ts',
  'test/bootstrap/commands.test.ts',
  'test/system/postgres-troubles.test.ts',
  'test/system/rolling-upgrade.test.ts',
  'test/system/killed-projections.test.ts',
  'test/system/reconnect-storm.test.ts',
  'test/system/traps.test.ts',
  'test/system/commands.test.ts',
  'test/system/bad-input.test.ts',
  'test/system/webhooks.test.ts',
  'src/app/console.int.test.ts',
  'src/durable/groups/competing-trouble.int.test.ts',
  'src/durable/groups/competing.int.test.ts',
  'src/durable/groups/handover.int.test.ts',
  'src/durable/jobs/receivers.int.test.ts',
  'src/realtime/faults.int.test.ts',
  'src/durable/traps.int.test.ts',
  'src/durable/jobs/outages.int.test.ts',
  'src/realtime/degraded.int.test.ts',
  'src/projections/sink/batch-sink.int.test.ts',
  'src/testing/start-holdfast.int.test.ts',
  'src/durable/operations/erasure.int.test.ts',
  'src/durable/jobs/schedules/schedules.int.test.ts',
]

const root = fileURLToPath(new URL('../..', import.meta.url))

export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const missing = slowFiles.filter(file => !existsSync(`${root}/${file}`))
    if (missing.length > 0)
      throw new Error(`the list of slow test files names ${missing}, which is not there`)
    const place = ({ moduleId }: TestSpecification) => {
      const found = slowFiles.findIndex(file => moduleId.endsWith(`/${file}`))
      return found < 0 ? slowFiles.length : found
    }
    const projectOf = ({ project }: TestSpecification) => project.name
    // What vitest knows from earlier runs decides among all others, and keeps the files of a project together.
    const rest = await super.sort(files)
    const projects = [...new Set(rest.map(projectOf))]
    const projectPlace = (file: TestSpecification) => projects.indexOf(projectOf(file))
    return rest.sort((a, b) => projectPlace(a) - projectPlace(b) || place(a) - place(b))
  }
}
