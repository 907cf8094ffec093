import { Command } from 'commander'
import type { JobOperations, NewSchedule, Schedule } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { currentActor, table, timeText } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface Options {
  json?: boolean
  by?: string
  reason?: string
}

export function schedulesCommand(): Command {
  return new Command('schedules')
    .description('appends and publications by the clock: list, add, remove, pause and resume them')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(actCommand('pause', 'let it not happen until it is resumed'))
    .addCommand(actCommand('resume', 'let it happen again, at once for the latest time that was missed'))
}

function listCommand(): Command {
  return new Command('list')
    .description('every schedule: what it does, when it is due, when it happened last, why it failed')
    .option('--limit <count>', 'how many to show', wholeNumber, 50)
    .option('--after <name>', 'go on where the page before ended')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['what happens when?', 'holdfast schedules']))
    .action(async ({ limit, after, json }: ListOptions) => {
      if (limit === 0) throw new CliError('expected a --limit from 1 on, got 0', undefined, 2)
      const page = await operate('list', jobs => jobs.schedules({ limit, after }))
      if (json) return console.log(JSON.stringify(page))
      console.log(page.schedules.length === 0 ? 'there are no schedules' : listed(page.schedules))
      if (page.next !== undefined) console.log(`\nthere are more; go on with --after ${page.next}`)
    })
}

interface ListOptions extends Options {
  limit: number
  after?: string
}

interface AddOptions extends Options {
  cron?: string
  zone?: string
  every?: number
  at?: string
  in?: number
  type?: string
}

function addCommand(): Command {
  return byWhom(new Command('add').description('append an event, or publish, at a time or again and again'))
    .argument('<channel>', 'where')
    .argument('<data>', 'JSON')
    .option('--type <type>', 'append an event of this type; without it, publish')
    .option('--cron <expression>', 'five fields, or six with seconds in front')
    .option('--zone <zone>', 'IANA time zone of the cron expression (default: UTC)')
    .option('--every <seconds>', 'again and again', wholeNumber)
    .option('--at <time>', 'once, like 2030-01-31T08:00:00Z')
    .option('--in <seconds>', 'once, so long from now', wholeNumber)
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `\nWhat has had the name is replaced. It happens while a worker runs; of times that were missed, for the latest.\n${examples(
        [
          'every morning in Berlin',
          `holdfast schedules add open shop:1 '{}' --type Opened --cron '0 8 * * *' --zone Europe/Berlin`,
        ],
        ['once', `holdfast schedules add remind user:7 '{"of":"tea"}' --type Reminded --in 600`],
      )}`,
    )
    .action(async (name: string, channel: string, data: string, options: AddOptions) => {
      const schedule: NewSchedule = {
        name,
        channel,
        data,
        act: options.type === undefined ? 'publish' : 'append',
        type: options.type ?? null,
        cron: options.cron ?? null,
        zone: options.zone ?? null,
        everySeconds: options.every ?? null,
        at: timeOf(options),
      }
      const made = await operate('add', jobs => jobs.schedule(schedule, actorOf(options)))
      if (options.json) console.log(JSON.stringify(made))
      else console.log(`${name} happens ${made.due === null ? 'never' : `at ${timeText(made.due)}`}`)
    })
}

function removeCommand(): Command {
  return byWhom(new Command('remove').description('take a schedule away'))
    .option('--json', 'print {removed} as JSON')
    .addHelpText('after', examples(['no more of it', 'holdfast schedules remove remind']))
    .action(async (name: string, options: Options) => {
      await operate('remove', jobs => jobs.unschedule(name, actorOf(options)))
      console.log(options.json ? JSON.stringify({ removed: name }) : `removed ${name}`)
    })
}

function actCommand(act: 'pause' | 'resume', description: string): Command {
  const done = act === 'pause' ? 'paused' : 'resumed'
  return byWhom(new Command(act).description(description))
    .option('--json', 'print {changed} as JSON')
    .addHelpText('after', examples([`${act} it`, `holdfast schedules ${act} nightly`]))
    .action(async (name: string, options: Options) => {
      const method = act === 'pause' ? 'pauseSchedule' : 'resumeSchedule'
      const { changed } = await operate(act, jobs => jobs[method](name, actorOf(options)))
      if (options.json) return console.log(JSON.stringify({ changed }))
      console.log(changed ? `${name} is ${done}` : `${name} was ${done} already`)
    })
}

function byWhom(command: Command): Command {
  return command
    .argument('<name>', 'the schedule’s name')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--reason <text>', 'why, for those who ask later')
}

function actorOf({ by = currentActor(), reason }: Options): { actor: string; reason: string | undefined } {
  return { actor: by, reason }
}

/** @throws CliError */
function timeOf({ at, in: seconds }: AddOptions): number | null {
  if (at !== undefined && seconds !== undefined)
    throw new CliError('--at and --in exclude each other', 'give one of them', 2)
  if (seconds !== undefined) return Date.now() + seconds * 1_000
  if (at === undefined) return null
  const time = Date.parse(at)
  if (Number.isNaN(time)) throw new CliError(`${at} is no time`, 'write it like 2030-01-31T08:00:00Z', 2)
  return time
}

async function operate<T>(command: string, work: (jobs: JobOperations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(`schedules ${command}`, sql => work(createOperations(sql).jobs))
}

function listed(schedules: readonly Schedule[]): string {
  return table(
    ['SCHEDULE', 'WHEN', 'DOES', 'STATE', 'NEXT', 'LAST', 'FAILURE'],
    schedules.map(schedule => [
      schedule.name,
      whenText(schedule),
      `${schedule.act} ${schedule.channel}${schedule.type === null ? '' : ` ${schedule.type}`}`,
      stateOf(schedule),
      timeText(schedule.due),
      timeText(schedule.lastDue),
      schedule.failure,
    ]),
  )
}

function stateOf({ paused, resting, due }: Schedule): string {
  if (paused) return 'paused'
  if (resting) return 'no process declares it'
  return due === null ? 'over' : 'active'
}

function whenText({ cron, zone, everySeconds }: Schedule): string {
  if (cron !== null) return zone === null ? cron : `${cron} ${zone}`
  return everySeconds === null ? 'once' : `every ${everySeconds} s`
}
