import { Argument, Command } from 'commander'
import { examples } from '../examples.ts'
import { callNode, type NodeOptions } from '../node-api.ts'
import { currentActor, table, timeText } from '../output.ts'

interface Options extends NodeOptions {
  all?: boolean
  by?: string
  json?: boolean
}

interface Breaker {
  readonly role: string
  readonly state: string
  readonly since: number
  readonly reason: string
  readonly held_by: string | null
  readonly counts: {
    readonly rejected: number
    readonly failed: number
    readonly slow: number
    readonly missed: number
  }
}

interface Answer {
  readonly nodes: readonly { readonly name: string; readonly breakers: readonly Breaker[] }[]
  readonly silent: readonly string[]
}

export function breakersCommand(): Command {
  return new Command('breakers')
    .description('how a node sees what it depends on; hold a breaker by hand, and release it')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(holdCommand())
    .addCommand(releaseCommand())
}

function listCommand(): Command {
  return onNode(new Command('list').description('each role’s breaker: its state, since when, and why'))
    .option('--all', 'those of every node that answers')
    .addHelpText('after', examples(['does any node live without Redis?', 'holdfast breakers list --all']))
    .action(async (options: Options) => {
      const answer = await callNode<Answer>(options, 'breakers', { all: options.all ?? false })
      if (options.json) return console.log(JSON.stringify(answer))
      const rows = answer.nodes.flatMap(node => node.breakers.map(each => row(node.name, each)))
      console.log(rows.length === 0 ? 'this node depends on nothing' : table(head, rows))
      tellSilent(answer)
    })
}

function holdCommand(): Command {
  const command = new Command('hold')
    .description('keep a breaker in a state on every node that can be reached, whatever happens')
    .addArgument(roleArgument())
    .addArgument(
      new Argument('<state>', 'rejecting: nothing is sent there').choices(['passing', 'rejecting']),
    )
    .option('--by <name>', 'who is told as the one who did it (default: the system’s user)')
    .addHelpText(
      'after',
      `\nIt ends with "release", or with the node. A node that starts later decides by itself.\n${examples([
        'take load off a Redis that is being looked after',
        'holdfast breakers hold log rejecting',
      ])}`,
    )
  return onNode(command).action(async (role: string, state: string, options: Options) => {
    const { by: actor = currentActor() } = options
    const answer = await callNode<Answer>(options, 'breaker_hold', { role, state, actor })
    tellDone(answer, options, `${role} is held ${state}`)
  })
}

function releaseCommand(): Command {
  const command = new Command('release')
    .description('let a breaker decide by itself again, on every node that can be reached')
    .addArgument(roleArgument())
    .option('--by <name>', 'who is told as the one who did it (default: the system’s user)')
    .addHelpText('after', examples(['it may be used again', 'holdfast breakers release log']))
  return onNode(command).action(async (role: string, options: Options) => {
    const { by: actor = currentActor() } = options
    const answer = await callNode<Answer>(options, 'breaker_release', { role, actor })
    tellDone(answer, options, `${role} decides by itself`)
  })
}

function roleArgument(): Argument {
  return new Argument('<role>', 'what the breaker stands before').choices(['bus', 'log', 'jobs', 'ledger'])
}

function onNode(command: Command): Command {
  return command
    .option('--url <address>', 'node to ask (default: http://localhost:8000, or HOLDFAST_PORT)')
    .option('--api-key <key>', 'its API key (default: HOLDFAST_API_KEY)')
    .option('--json', 'print {nodes, silent} as JSON')
}

const head = ['NODE', 'ROLE', 'STATE', 'SINCE', 'HELD BY', 'REFUSED', 'FAILED', 'SLOW', 'MISSED', 'WHY']

function row(node: string, { role, state, since, held_by, reason, counts }: Breaker) {
  const { rejected, failed, slow, missed } = counts
  return [node, role, state, timeText(since), held_by, rejected, failed, slow, missed, reason]
}

function tellDone(answer: Answer, options: Options, done: string): void {
  if (options.json) console.log(JSON.stringify(answer))
  else {
    console.log(`${done} on ${answer.nodes.map(({ name }) => name).join(', ')}`)
    tellSilent(answer)
  }
}

function tellSilent({ silent }: Answer): void {
  if (silent.length > 0)
    console.error(`holdfast: ${silent.length} other node(s) did not answer: ${silent.join(', ')}`)
}
