import { spawnSync } from 'node:child_process'
import { aptInstall, whyNoInstall } from '../../src/cli/services/apt.ts'
import { findProgram } from './find-program.ts'

export interface PrometheusPrograms {
  readonly prometheus: string
  readonly promtool: string
}

/** Both programs of this machine's Prometheus; 2.42 and later are known to do. */
export function findPrometheus(): PrometheusPrograms | undefined {
  const [prometheus, promtool] = [findProgram('prometheus'), findProgram('promtool')]
  return prometheus && promtool ? { prometheus, promtool } : undefined
}

/**
 * Installs Prometheus where that is possible without asking, and leaves no system service running or enabled. Says what it
 * does before it does it, or why it does not.
 */
export function bringPrometheus(tell: (line: string) => void): PrometheusPrograms | undefined {
  const found = findPrometheus()
  if (found) return found
  const reason = whyNoInstall()
  if (reason) {
    tell(`no Prometheus on the PATH, and none is installed because ${reason}: what needs it is skipped`)
    return undefined
  }
  tell('no Prometheus: installing it with "apt-get install prometheus" (HOLDFAST_NO_INSTALL=1 prevents this)')
  const said = aptInstall('prometheus')
  // The package enables its service for the next boot.
  spawnSync('systemctl', ['disable', '--now', 'prometheus'], { stdio: 'ignore' })
  const installed = findPrometheus()
  if (!installed) tell(`that did not bring a Prometheus (${said}): what needs it is skipped`)
  return installed
}
