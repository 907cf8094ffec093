import type { Channel, Stored } from '../types.ts'
import type { Findings } from './findings.ts'
import type { History } from './history.ts'

/**
 * Commands of an aggregate, as if they came one after the other: what each has decided is there once and as a whole,
 * nothing lies between, and it was decided knowing of everything before it. Returns how often that is not so.
 */
export function checkCommands(history: History, findings: Findings): number {
  return history
    .channels('durable')
    .filter(({ commands }) => commands)
    .map(channel => ({ channel, store: history.recorded.stored.find(each => each.channel === channel.name) }))
    .reduce(
      (wrong, { channel, store }) => wrong + (store ? checkOne(channel, store, history, findings) : 0),
      0,
    )
}

function checkOne({ name }: Channel, { values }: Stored, history: History, findings: Findings): number {
  let wrong = 0
  const find = (what: string) => {
    wrong++
    findings.add('commands as if one by one', `${name}: ${what}`)
  }
  /** What is still to come of the command that the last event is of. */
  let open: { readonly command: string | undefined; readonly next: number; readonly of: number } | undefined
  let before = 0
  for (const { value, decided } of values) {
    if (!decided) {
      find(`${value} follows from no command`)
      continue
    }
    const { part, of } = decided
    const command = history.attempt(value)?.command
    const goesOn = open !== undefined && open.command === command && open.next === part && open.of === of
    if (open && !goesOn) find(`${value} came before all of ${open.command} was there`)
    if (!goesOn && part !== 1) find(`${value} is part ${part} of ${of}, and nothing is before it`)
    if (part === 1 && decided.before !== before)
      find(`${value} was decided after ${decided.before} commands, and ${before} are before it`)
    open = part < of ? { command, next: part + 1, of } : undefined
    if (!open) before++
  }
  if (open) find(`the last of ${open.command} is missing`)
  return wrong
}
