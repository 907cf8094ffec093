import type { BuildView, ProjectionView } from '../../src/console/wire.ts'
import { Act, ViewerNote } from '../parts/act.tsx'
import { Card, Heading } from '../parts/card.tsx'
import { count, percent, plural, rate, seconds } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Time } from '../parts/time.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'

export function ProjectionsPage() {
  const reading = useReading('projections', { everyMs: 1_500 })
  return (
    <>
      <Heading title="Projections">
        Read models and their builds. A rebuild is made beside the build that readers see, and takes its place
        when it has caught up.
      </Heading>
      <ViewerNote />
      <Answered reading={reading}>
        {({ projections }) => (
          <Known part={projections}>
            {all =>
              all.length === 0 ? (
                <p className="empty">No process declares a projection.</p>
              ) : (
                <div className="halves">
                  {all.map(projection => (
                    <Projection key={projection.name} projection={projection} />
                  ))}
                </div>
              )
            }
          </Known>
        )}
      </Answered>
    </>
  )
}

function Projection({ projection: { name, active, version, builds } }: { projection: ProjectionView }) {
  const paused = builds.some(each => each.paused)
  const building = builds.some(({ state }) => state === 'building')
  const standby = builds.some(({ state }) => state === 'standby')
  return (
    <Card
      title={name}
      aside={
        <span className="muted">
          {active === null ? 'nothing to read yet' : `readers see build ${active}, version ${version}`}
        </span>
      }
    >
      {builds.map(build => (
        <Build key={build.build} projection={name} build={build} />
      ))}
      <div className="row">
        <Act
          name="projection"
          body={reason => ({ projection: name, act: 'rebuild', ...given(reason) })}
          label="Rebuild"
          title={`Rebuild ${name}`}
          reason="optional"
          kind="primary"
          explains={
            building
              ? 'A build is under way already; the server says whether it makes another one.'
              : 'A new build is made from the beginning of the ledger. Readers see the present one until it has caught up.'
          }
        />
        {standby ? (
          <Act
            name="projection"
            body={reason => ({ projection: name, act: 'switch_back', ...given(reason) })}
            label="Switch back"
            title={`Switch back ${name}`}
            reason="optional"
            kind="danger"
            explains="Readers see the build again that they saw before, as fresh as it is by now."
          />
        ) : null}
        <Act
          name="projection"
          body={reason => ({ projection: name, act: paused ? 'resume' : 'pause', ...given(reason) })}
          label={paused ? 'Resume' : 'Pause'}
          title={`${paused ? 'Resume' : 'Pause'} ${name}`}
          reason="optional"
          explains={
            paused
              ? 'Its builds go on where they stand.'
              : 'Its builds stay where they are, and readers see what was told until then.'
          }
        />
      </div>
    </Card>
  )
}

function given(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason }
}

const levels: Readonly<Record<string, Level>> = { active: 'ok', building: 'info', standby: 'unknown' }

function Build({ projection, build }: { projection: string; build: BuildView }) {
  const { progress, lag, open, members } = build
  const share = progress.total === 0 ? 1 : Math.min(progress.done / progress.total, 1)
  const label = `Build ${build.build} of ${projection}`
  return (
    <div className="stack">
      <div className="apart">
        <Status level={members === 0 ? 'warn' : (levels[build.state] ?? 'info')}>
          <strong>Build {build.build}</strong> {build.state}{' '}
          <span className="muted">version {build.version}</span>
          {build.paused ? <span className="tag">paused</span> : null}
        </Status>
        {build.state === 'standby' ? (
          <Act
            name="projection"
            body={() => ({ projection, act: 'drop', build: build.build })}
            label="Drop"
            title={`Drop build ${build.build} of ${projection}`}
            kind="danger"
            explains="Its tables and its group go. There is no way back but a rebuild."
          />
        ) : null}
      </div>
      <progress className="bar" max={1} value={share} aria-label={label} />
      <p className="muted small">
        {percent(share)}: {count(progress.done)} of {count(progress.total)} events
        {progress.rate === null ? '' : `, ${rate(progress.rate)}`}
        {progress.secondsLeft === null ? '' : `, ${seconds(progress.secondsLeft)} left`}
        {` · ${plural(lag.events, 'event')}, ${seconds(lag.seconds)} behind`}
        {members === 0 ? ' · no node works for it' : ''}
        {build.switched === null ? null : (
          <>
            {' · readers moved here '}
            <Time at={build.switched} brief />
            {build.switchedBy === null ? '' : ` by ${build.switchedBy}`}
          </>
        )}
      </p>
      {open.parked + open.retrying + open.waiting === 0 ? null : (
        <Status level={open.parked > 0 ? 'bad' : 'warn'}>
          <a href={routeTo('parked', { consumer: `group/${build.group}` })}>
            {count(open.parked)} parked, {count(open.retrying)} retrying, {count(open.waiting)} waiting behind
            them
          </a>
        </Status>
      )}
    </div>
  )
}
