import type { JobsAnswer, ScheduleView, WebhookView } from '../../src/console/wire.ts'
import { Act, ViewerNote } from '../parts/act.tsx'
import { Card, Heading } from '../parts/card.tsx'
import { count, seconds } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'

export function JobsPage() {
  const reading = useReading('jobs', { everyMs: 2_000 })
  return (
    <>
      <Heading title="Jobs">
        What rules owe, how webhooks fare, what the clock will do, and what waits in the outbox.
      </Heading>
      <ViewerNote />
      <Answered reading={reading}>{jobs => <Jobs jobs={jobs} />}</Answered>
    </>
  )
}

function Jobs({ jobs }: { jobs: JobsAnswer }) {
  return (
    <>
      <Card title="Rules">
        <Known part={jobs.rules}>
          {rules => (
            <Table
              caption="Rules"
              rows={rules}
              keyOf={({ name }) => name}
              empty="There is no rule."
              columns={[
                { name: 'Rule', kind: 'name', cell: ({ name }) => name },
                {
                  name: 'State',
                  cell: ({ declared, parked, failing }) => (
                    <Status level={parked > 0 ? 'bad' : failing > 0 || !declared ? 'warn' : 'ok'}>
                      {declared
                        ? parked > 0
                          ? 'has parked'
                          : failing > 0
                            ? 'fails'
                            : 'works'
                        : 'not declared'}
                    </Status>
                  ),
                },
                { name: 'To do', kind: 'number', cell: ({ queued }) => count(queued) },
                { name: 'Failing', kind: 'number', cell: ({ failing }) => count(failing) },
                {
                  name: 'Parked',
                  kind: 'number',
                  cell: ({ name, parked }) =>
                    parked === 0 ? (
                      '0'
                    ) : (
                      <a href={routeTo('parked', { consumer: `rule/${name}` })}>{count(parked)}</a>
                    ),
                },
                { name: 'Oldest open', cell: ({ oldestOpen }) => <Time at={oldestOpen} brief /> },
                {
                  name: 'Of',
                  kind: 'name',
                  cell: ({ channel, types }) => `${channel} ${types?.join(', ') ?? ''}`,
                },
                {
                  name: 'To',
                  kind: 'name',
                  cell: ({ target, to }) => (to === null ? target : `${target}: ${to}`),
                },
              ]}
            />
          )}
        </Known>
      </Card>
      <Card title="Webhooks">
        <Known part={jobs.webhooks}>{webhooks => <Webhooks webhooks={webhooks} />}</Known>
      </Card>
      <Card title="Schedules">
        <Known part={jobs.schedules}>{schedules => <Schedules schedules={schedules} />}</Known>
      </Card>
      <Card title="Outbox">
        <Known part={jobs.outbox}>
          {({ waiting, oldestSeconds, refused }) => (
            <div className="figures">
              <div>
                <strong className="figure">{count(waiting)}</strong>
                <span className="named">committed, not in the ledger yet</span>
              </div>
              <div>
                <strong className="figure">{seconds(oldestSeconds)}</strong>
                <span className="named">age of the oldest</span>
              </div>
              <div>
                <strong className="figure">{count(refused)}</strong>
                <span className="named">the ledger can never take (holdfast outbox refused)</span>
              </div>
            </div>
          )}
        </Known>
      </Card>
    </>
  )
}

function Webhooks({ webhooks }: { webhooks: readonly WebhookView[] }) {
  return (
    <Table
      caption="Webhooks"
      rows={webhooks}
      keyOf={({ rule }) => rule}
      empty="There is no webhook."
      columns={[
        { name: 'Rule', kind: 'name', cell: ({ rule }) => rule },
        {
          name: 'State',
          cell: ({ disabledAt, failures }) => (
            <Status level={disabledAt !== null ? 'bad' : failures > 0 ? 'warn' : 'ok'}>
              {disabledAt !== null ? 'disabled' : failures > 0 ? `failed ${count(failures)} times` : 'works'}
            </Status>
          ),
        },
        {
          name: 'Since',
          cell: ({ disabledAt, failingSince }) => <Time at={disabledAt ?? failingSince} />,
        },
        { name: 'Reason', kind: 'name', cell: ({ reason }) => reason ?? '' },
        { name: 'Open', kind: 'number', cell: ({ open }) => count(open) },
        { name: 'Parked', kind: 'number', cell: ({ parked }) => count(parked) },
        { name: 'Switch', cell: webhook => <WebhookSwitch webhook={webhook} /> },
      ]}
    />
  )
}

function WebhookSwitch({ webhook: { rule, disabledAt } }: { webhook: WebhookView }) {
  const off = disabledAt !== null
  return (
    <Act
      name="webhook"
      body={reason => ({
        rule,
        act: off ? 'enable' : 'disable',
        ...(reason === undefined ? {} : { reason }),
      })}
      label={off ? 'Enable' : 'Disable'}
      title={`${off ? 'Enable' : 'Disable'} the webhook of ${rule}`}
      reason={off ? 'optional' : 'required'}
      kind={off ? 'primary' : 'danger'}
      explains={
        off
          ? 'Events are sent to it again. What was parked meanwhile stays parked until it is redriven.'
          : 'Nothing is sent to it any more: its deliveries are parked as soon as they are due.'
      }
    />
  )
}

function Schedules({ schedules }: { schedules: readonly ScheduleView[] }) {
  return (
    <Table
      caption="Schedules"
      rows={schedules}
      keyOf={({ name }) => name}
      empty="Nothing happens by the clock."
      columns={[
        { name: 'Schedule', kind: 'name', cell: ({ name }) => name },
        {
          name: 'State',
          cell: ({ paused, resting, failure }) => (
            <Status level={failure !== null ? 'bad' : paused || resting ? 'warn' : 'ok'}>
              {failure ?? (paused ? 'paused' : resting ? 'nobody declares it' : 'waits')}
            </Status>
          ),
        },
        { name: 'Next', cell: ({ due }) => (due === null ? 'never again' : <Time at={due} />) },
        { name: 'Last', cell: ({ lastDue }) => <Time at={lastDue} /> },
        { name: 'When', cell: rhythm },
        {
          name: 'Does',
          kind: 'name',
          cell: ({ act, channel, type }) => `${act} ${type ?? ''} to ${channel}`,
        },
        {
          name: 'Switch',
          cell: ({ name, paused }) => (
            <Act
              name="schedule"
              body={reason => ({
                schedule: name,
                act: paused ? 'resume' : 'pause',
                ...(reason === undefined ? {} : { reason }),
              })}
              reason="optional"
              label={paused ? 'Resume' : 'Pause'}
              title={`${paused ? 'Resume' : 'Pause'} the schedule ${name}`}
              explains={
                paused ? 'It happens again when it is due.' : 'It does not happen until it is resumed.'
              }
            />
          ),
        },
      ]}
    />
  )
}

function rhythm({ cron, zone, everySeconds }: ScheduleView): string {
  if (cron !== null) return `${cron}${zone === null ? '' : ` (${zone})`}`
  return everySeconds === null ? 'once' : `every ${seconds(everySeconds)}`
}
