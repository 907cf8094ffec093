/** How commands have ended on this node. */
export const commandOutcomes = ['recorded', 'nothing', 'duplicate', 'refused', 'failed'] as const
export type CommandOutcome = (typeof commandOutcomes)[number]

export class CommandCounts {
  readonly ended: Record<CommandOutcome, number> = {
    recorded: 0,
    nothing: 0,
    duplicate: 0,
    refused: 0,
    failed: 0,
  }
  /** Decisions that were made again because somebody else was faster. */
  conflicts = 0
}
