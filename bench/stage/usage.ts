import { cpuSeconds, machineTime } from './machine.ts'

export type Pids = Readonly<Record<string, number>>

export interface Usage {
  readonly processes: Readonly<Record<string, number | undefined>>
  readonly own: number
  readonly machine: ReturnType<typeof machineTime>
}

/** CPU seconds used so far by the named processes, this one and the machine. */
export function usage(pids: Pids): Usage {
  const own = process.cpuUsage()
  return {
    processes: Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)])),
    own: (own.user + own.system) / 1e6,
    machine: machineTime(),
  }
}

export function spentSince(before: Usage, pids: Pids) {
  const after = usage(pids)
  const less = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a - b
  const processes = Object.fromEntries(
    Object.keys(pids).map(name => [name, less(after.processes[name], before.processes[name])]),
  )
  const own = after.own - before.own
  const busy = less(after.machine?.busy, before.machine?.busy)
  const known = Object.values(processes).reduce<number>((sum, seconds) => sum + (seconds ?? 0), own)
  return {
    processes,
    own,
    others: less(busy, known),
    stolen: less(after.machine?.stolen, before.machine?.stolen),
  }
}
