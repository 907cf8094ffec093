import type { BuildReport, ProjectionReport } from '../projections/index.ts'
import { spanText } from './build-progress.ts'
import { table, timeText } from './output.ts'

/** A line for each build. */
export function projectionTable(projections: readonly ProjectionReport[]): string {
  return table(
    [
      'NAME',
      'VERSION',
      'BUILD',
      'STATE',
      'PROGRESS',
      'LAG',
      'SECONDS',
      'NODES',
      'PARKED',
      'RETRYING',
      'WAITING',
    ],
    projections.flatMap(({ name, builds }) =>
      builds.map(build => [
        name,
        build.version,
        String(build.build),
        stateText(build),
        progressText(build),
        ...[build.lag.events, build.lag.seconds, build.members],
        ...[build.open.parked, build.open.retrying, build.open.waiting],
      ]),
    ),
  )
}

export function projectionText({ name, active, version, builds }: ProjectionReport): string {
  const seen = active === null ? 'readers see no build' : `readers see build ${active} of version ${version}`
  return [`${name}  ${seen}`, ...builds.map(buildText)].join('\n\n')
}

function buildText(build: BuildReport): string {
  const { rate, secondsLeft } = build.progress
  const left =
    rate === null || secondsLeft === null
      ? ''
      : `, ${rate.toLocaleString('en')} in a second, ${spanText(secondsLeft)} left`
  const switched = build.switchedBy === null ? '' : `, switched to by ${build.switchedBy}`
  const events = build.lag.events.toLocaleString('en')
  return [
    `build ${build.build}  version ${build.version}, ${stateText(build)}`,
    `  progress  ${build.progress.done.toLocaleString('en')} of ${build.progress.total.toLocaleString('en')}${left}`,
    `  lag       ${events} events, ${build.lag.seconds} seconds, ${build.members} nodes at work`,
    `  owed      ${build.open.parked} parked, ${build.open.retrying} retrying, ${build.open.waiting} waiting`,
    `  tables    ${build.tables.join(', ') || 'not made yet: no node declares this version'}`,
    `  group     ${build.group}`,
    `  since     ${timeText(build.created)}${build.requestedBy === null ? '' : `, asked for by ${build.requestedBy}`}`,
    ...(build.caughtUp === null ? [] : [`  caught up ${timeText(build.caughtUp)}`]),
    ...(build.switched === null ? [] : [`  seen from ${timeText(build.switched)}${switched}`]),
  ].join('\n')
}

function stateText({ state, paused }: Pick<BuildReport, 'state' | 'paused'>): string {
  return paused ? `${state}, paused` : state
}

/** A build that has caught up has no progress any more, only a lag. */
function progressText({ progress: { done, total }, state }: BuildReport): string {
  if (state !== 'building') return ''
  return total === 0 ? '100%' : `${Math.floor((done / total) * 100)}%`
}
