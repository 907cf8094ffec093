import { Command } from 'commander'
import type { GroupDetail, GroupOperations, GroupSummary } from '../../durable/index.ts'
import { CliError } from '../cli-error.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor, table, timeText } from '../output.ts'

interface Options {
  json?: boolean
  yes?: boolean
  by?: string
  reason?: string
}

export function groupsCommand(): Command {
  return new Command('groups')
    .description('consumer groups: how far behind they are, who works for them; pause, resume, remove one')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(showCommand())
    .addCommand(actCommand('pause', 'have its workers leave everything where it is, from the next second on'))
    .addCommand(actCommand('resume', 'have its workers go on where they stood'))
    .addCommand(removeCommand())
}

function listCommand(): Command {
  return new Command('list')
    .description('every group: its lag in events and seconds, its members, and what it still owes')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['who is behind?', 'holdfast groups list']))
    .action(async (options: Options) => {
      const found = await operate('list', groups => groups.list())
      if (options.json) return console.log(JSON.stringify(found))
      console.log(found.length === 0 ? 'there are no consumer groups' : listed(found))
    })
}

function showCommand(): Command {
  return new Command('show')
    .description('one group with its members and its place in every partition')
    .argument('<name>', 'the group’s name')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['where does it hang?', 'holdfast groups show receipts']))
    .action(async (name: string, options: Options) => {
      const detail = await operate('show', groups => groups.show(name))
      console.log(options.json ? JSON.stringify(detail) : shown(detail))
    })
}

function actCommand(act: 'pause' | 'resume', description: string): Command {
  const done = act === 'pause' ? 'paused' : 'resumed'
  return byWhom(new Command(act).description(description))
    .option('--json', 'print {changed} as JSON')
    .addHelpText('after', examples([`${act} it`, `holdfast groups ${act} receipts`]))
    .action(async (name: string, options: Options) => {
      const { by: actor = currentActor(), reason } = options
      const { changed } = await operate(act, groups => groups[act](name, { actor, reason }))
      if (options.json) return console.log(JSON.stringify({ changed }))
      console.log(changed ? `${name} is ${done}` : `${name} was ${done} already`)
    })
}

function removeCommand(): Command {
  return byWhom(
    new Command('remove').description('take a group away for good, with its places and what it still owes'),
  )
    .option('--yes', 'do not ask')
    .option('--json', 'print {discarded} as JSON; needs --yes')
    .addHelpText(
      'after',
      `\nStop its workers first: those that run end with an error in their log, and one that starts begins it anew.
Retention then no longer waits for it.\n${examples(['nobody needs it any more', 'holdfast groups remove receipts'])}`,
    )
    .action(async (name: string, options: Options) => {
      const { by: actor = currentActor(), reason } = options
      const discarded = await operate('remove', async groups => {
        const { members, lag, open } = await groups.show(name)
        const owed = open.parked + open.retrying + open.waiting
        const question = `${name} has ${members} members, ${lag.events} events before it and ${owed} open deliveries. Remove it?`
        if (!options.yes && !(await confirmed(question)))
          throw new CliError('nothing was changed: it was not confirmed')
        return (await groups.remove(name, { actor, reason })).discarded
      })
      console.log(
        options.json
          ? JSON.stringify({ discarded })
          : `removed ${name}; ${discarded} deliveries were discarded`,
      )
    })
}

function byWhom(command: Command): Command {
  return command
    .argument('<name>', 'the group’s name')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--reason <text>', 'why, for those who ask later')
}

async function operate<T>(command: string, work: (groups: GroupOperations) => Promise<T>): Promise<T> {
  const { createOperations } = await import('../../durable/index.ts')
  return onDatabase(`groups ${command}`, sql => work(createOperations(sql).groups))
}

function listed(groups: readonly GroupSummary[]): string {
  return table(
    ['NAME', 'MODE', 'STATE', 'LAG', 'SECONDS', 'MEMBERS', 'PARKED', 'RETRYING', 'WAITING'],
    groups.map(({ name, mode, lag, members, open, ...group }) => [
      name,
      mode,
      stateOf({ ...group, members }),
      lag.events,
      lag.seconds,
      members,
      open.parked,
      open.retrying,
      open.waiting,
    ]),
  )
}

function stateOf({ paused, members }: Pick<GroupSummary, 'paused' | 'members'>): string {
  if (paused) return 'paused'
  return members === 0 ? 'nobody works' : 'at work'
}

function shown(detail: GroupDetail): string {
  const { name, mode, namespaces, memberList, partitions } = detail
  const behind = partitions.filter(({ lag, open }) => lag.events > 0 || open > 0)
  return [
    `${name}  ${mode}, ${stateOf(detail)}, since ${timeText(detail.created)}`,
    `namespaces  ${namespaces === null ? 'all' : namespaces.map(one => one || '(none)').join(', ')}`,
    `lag  ${detail.lag.events.toLocaleString('en')} events, ${detail.lag.seconds} seconds`,
    `owed  ${detail.open.parked} parked, ${detail.open.retrying} retrying, ${detail.open.waiting} waiting`,
    ...(detail.setBack ? [`new epoch  ${detail.setBack.reason}, ${timeText(detail.setBack.time)}`] : []),
    '',
    memberList.length === 0
      ? 'no members'
      : table(
          ['NODE', 'PARTITIONS', 'SEEN'],
          memberList.map(member => [member.node, member.partitions.length, timeText(member.seen)]),
        ),
    '',
    behind.length === 0
      ? `all ${partitions.length} partitions are level`
      : table(
          ['PARTITION', 'POSITION', 'HEAD', 'LAG', 'SECONDS', 'OPEN', 'NODE', 'MOVED'],
          behind.map(({ partition, position, head, lag, open, node, moved }) => [
            ...[partition, position, head, lag.events, lag.seconds, open, node ?? ''],
            timeText(moved),
          ]),
        ),
  ].join('\n')
}
