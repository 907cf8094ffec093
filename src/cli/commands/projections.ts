import { setTimeout as delay } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import type { BuildReport, ProjectionOperations } from '../../projections/index.ts'
import { buildProgress } from '../build-progress.ts'
import { CliError } from '../cli-error.ts'
import { examples } from '../examples.ts'
import { onDatabase } from '../on-database.ts'
import { confirmed, currentActor } from '../output.ts'
import { projectionTable, projectionText } from '../projection-output.ts'
import { wholeNumber } from '../whole-number.ts'

interface Options {
  json?: boolean
  yes?: boolean
  by?: string
  reason?: string
}
type RebuildOptions = Options & { wait: boolean; version?: number }

export function projectionsCommand(): Command {
  return new Command('projections')
    .description('read models made of events: their builds, how far those are, and which one readers see')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(statusCommand())
    .addCommand(rebuildCommand())
    .addCommand(switchBackCommand())
    .addCommand(dropCommand())
    .addCommand(removeCommand())
    .addCommand(pauseCommand('pause', 'have its builds left where they are, from the next second on'))
    .addCommand(pauseCommand('resume', 'have its builds go on where they stood'))
}

function listCommand(): Command {
  return new Command('list')
    .description('every projection with its builds: which one readers see, and how far each is')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['is any of them behind?', 'holdfast projections list']))
    .action(async (options: Options) => {
      const found = await operate('list', operations => operations.list())
      if (options.json) return console.log(JSON.stringify(found))
      console.log(found.length === 0 ? 'there are no projections' : projectionTable(found))
    })
}

function statusCommand(): Command {
  return new Command('status')
    .description('one projection: its builds, what they owe, and how a rebuild goes on')
    .argument('<name>', 'the projection’s name')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples(['where does the rebuild stand?', 'holdfast projections status totals']))
    .action(async (name: string, options: Options) => {
      const report = await operate('status', operations => operations.status(name))
      console.log(options.json ? JSON.stringify(report) : projectionText(report))
    })
}

function rebuildCommand(): Command {
  return byWhom(
    new Command('rebuild').description(
      'fill new tables from the beginning, and show readers those at the end',
    ),
  )
    .option('--version <number>', 'of which version (default: the one that readers see)', version)
    .option('--no-wait', 'only begin; it goes on whether or not somebody waits')
    .option('--json', 'print {build, version, cutChannels} as JSON')
    .addHelpText(
      'after',
      `\nReaders see the old build until the new one has caught up. It stays on standby, for switch-back, until it is dropped.
Nodes that declare the projection do the work; one that is killed is taken over from.\n${examples(
        ['after a repair of what the events mean', 'holdfast projections rebuild totals'],
        ['without waiting', 'holdfast projections rebuild totals --no-wait'],
      )}`,
    )
    .action(async (name: string, options: RebuildOptions) => {
      const begun = await operate('rebuild', async operations => {
        const asked = await operations.rebuild(name, byOf(options), options.version)
        if (asked.cutChannels !== 0) console.error(cutText(asked.cutChannels))
        if (options.wait) await finished(operations, name, asked.build)
        return asked
      })
      if (options.json)
        return console.log(JSON.stringify({ ...begun, cutChannels: begun.cutChannels ?? null }))
      const { build, version } = begun
      console.log(
        options.wait
          ? `readers of ${name} see build ${build} of version ${version}`
          : `build ${build} of version ${version} has begun; "holdfast projections status ${name}" shows it`,
      )
    })
}

function cutText(channels: number | undefined): string {
  return channels === undefined
    ? 'note: of how many of its channels retention has removed events is not known; the new build lacks what those told'
    : `note: retention has removed events of ${channels} of its channels; the new build lacks what those told`
}

const lookEveryMs = 500

/** Until readers see the build. @throws CliError where they will not */
async function finished(operations: ProjectionOperations, name: string, wanted: number): Promise<void> {
  const progress = buildProgress(`build ${wanted} of ${name}`)
  try {
    for (;;) {
      const { builds } = await operations.status(name)
      const build = builds.find(one => one.build === wanted)
      if (!build) throw new CliError(`build ${wanted} of ${name} was dropped`)
      if (build.state !== 'building') return
      progress.tell(build)
      await delay(lookEveryMs)
    }
  } finally {
    progress.stop()
  }
}

function switchBackCommand(): Command {
  return byWhom(new Command('switch-back').description('show readers the build again that they saw before'))
    .option('--yes', 'do not ask')
    .option('--json', 'print {build, version, previous} as JSON; needs --yes')
    .addHelpText('after', examples(['the new version is wrong', 'holdfast projections switch-back totals']))
    .action(async (name: string, options: Options) => {
      const done = await operate('switch-back', async operations => {
        const { builds, active } = await operations.status(name)
        await sure(options, `switch readers of ${name} back from build ${active}?`, standbyText(builds))
        return operations.switchBack(name, byOf(options))
      })
      if (options.json) return console.log(JSON.stringify({ ...done, previous: done.previous ?? null }))
      console.log(`readers of ${name} see build ${done.build} of version ${done.version}`)
    })
}

function standbyText(builds: readonly BuildReport[]): string {
  const standby = builds.filter(({ state }) => state === 'standby')
  return standby
    .map(({ build, version, lag }) => `build ${build} of version ${version} is ${lag.events} events behind`)
    .join('\n')
}

function dropCommand(): Command {
  return byWhom(new Command('drop').description('take a build away for good that readers do not see'))
    .argument('<build>', 'its number', buildNumber)
    .option('--yes', 'do not ask')
    .option('--json', 'print {dropped} as JSON; needs --yes')
    .addHelpText('after', examples(['the old one is not needed', 'holdfast projections drop totals 3']))
    .action(async (name: string, build: number, options: Options) => {
      await operate('drop', async operations => {
        await sure(options, `drop build ${build} of ${name}, with its tables?`)
        await operations.drop(name, build, byOf(options))
      })
      console.log(options.json ? JSON.stringify({ dropped: build }) : `dropped build ${build} of ${name}`)
    })
}

function removeCommand(): Command {
  return byWhom(
    new Command('remove').description('take a projection away for good that no node declares any more'),
  )
    .option('--yes', 'do not ask')
    .option('--json', 'print {removed} as JSON; needs --yes')
    .addHelpText('after', examples(['nobody needs it any more', 'holdfast projections remove totals']))
    .action(async (name: string, options: Options) => {
      await operate('remove', async operations => {
        const { builds } = await operations.status(name)
        await sure(options, `remove ${name} with ${builds.length} build(s) and all of their tables?`)
        await operations.remove(name, byOf(options))
      })
      console.log(options.json ? JSON.stringify({ removed: name }) : `removed ${name}`)
    })
}

function pauseCommand(act: 'pause' | 'resume', description: string): Command {
  const done = act === 'pause' ? 'paused' : 'resumed'
  return byWhom(new Command(act).description(description))
    .option('--json', 'print {changed} as JSON')
    .addHelpText('after', examples([`${act} it`, `holdfast projections ${act} totals`]))
    .action(async (name: string, options: Options) => {
      const { changed } = await operate(act, operations => operations[act](name, byOf(options)))
      if (options.json) return console.log(JSON.stringify({ changed }))
      console.log(changed ? `${name} is ${done}` : `${name} was ${done} already`)
    })
}

/** @throws CliError where it is not confirmed */
async function sure(options: Options, question: string, first?: string): Promise<void> {
  if (options.yes) return
  if (options.json) throw new CliError('this has to be confirmed', 'repeat it with --yes', 2)
  if (first) console.log(first)
  if (!(await confirmed(question))) throw new CliError('nothing was changed: it was not confirmed')
}

function byWhom(command: Command): Command {
  return command
    .argument('<name>', 'the projection’s name')
    .option('--by <name>', 'who is recorded as the one who did it (default: the system’s user)')
    .option('--reason <text>', 'why, for those who ask later')
}

function byOf({ by, reason }: Options): { actor: string; reason: string | undefined } {
  return { actor: by ?? currentActor(), reason }
}

function version(text: string): number {
  return atLeastOne(text, 'a version')
}

function buildNumber(text: string): number {
  return atLeastOne(text, 'a build’s number')
}

function atLeastOne(text: string, what: string): number {
  const number = wholeNumber(text)
  if (number === 0) throw new InvalidArgumentError(`${what} is 1 or more`)
  return number
}

async function operate<T>(
  command: string,
  work: (operations: ProjectionOperations) => Promise<T>,
): Promise<T> {
  const [{ createOperations }, { projectionActs, projectionOperations }] = await Promise.all([
    import('../../durable/index.ts'),
    import('../../projections/index.ts'),
  ])
  return onDatabase(`projections ${command}`, sql => {
    const { groups } = createOperations(sql)
    // Channels are told of a switch by a node: this process knows no definitions.
    const hooks = { changed: async () => undefined, switched: async () => undefined }
    return work(projectionOperations(sql, groups, projectionActs({ sql, groups, hooks })))
  })
}
