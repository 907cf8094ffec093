import { type Commands, type CommandsOptions, commandOutcomes, createCommands } from '../commands/index.ts'
import { HoldfastError } from '../domain/index.ts'
import { type Metrics, metrics } from '../telemetry/index.ts'

/** The deciding side of a node; undefined where it has no ledger. */
export function openCommands(
  options: Omit<CommandsOptions, 'tier'> & { readonly tier: CommandsOptions['tier'] | undefined },
): Commands | undefined {
  const { tier } = options
  return tier && createCommands({ ...options, tier })
}

/** @throws HoldfastError NOT_AVAILABLE */
export function deciding(commands: Commands | undefined): Commands {
  if (commands) return commands
  throw new HoldfastError('NOT_AVAILABLE', 'aggregates need Postgres, and none is configured')
}

/** How commands have ended here, and how often others were faster. */
export function registerCommandMetrics(telemetry: Metrics, { counts }: Commands): void {
  const { commandsEnded, commandConflicts } = metrics
  telemetry.counters([commandsEnded, commandConflicts], async () => [
    ...commandOutcomes.map(outcome => ({
      metric: commandsEnded,
      value: counts.ended[outcome],
      attributes: { outcome },
    })),
    { metric: commandConflicts, value: counts.conflicts },
  ])
}
