// What Linux tells about processes and the machine. Elsewhere the figures are undefined and their columns stay empty.
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** The kernel's USER_HZ, 100 on every Linux that Node runs on: a figure is exact to 10 ms. */
const ticksPerSecond = 100

/** CPU seconds (user and system) a process has used, of all its threads. */
export function cpuSeconds(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The command's name stands in brackets and may hold anything; utime and stime are the 12th and 13th after it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number | undefined {
  const line = read(`/proc/${pid}/status`)?.match(/^VmRSS:\s+(\d+) kB/m)
  return line ? Number(line[1]) * 1024 : undefined
}

export interface MachineTime {
  /** CPU seconds all processes have used since boot, those of lowered priority (our spinners) left out. */
  readonly busy: number
  /** CPU seconds the hypervisor gave to others while we wanted them. */
  readonly stolen: number
}

export function machineTime(): MachineTime | undefined {
  const fields = read('/proc/stat')
    ?.match(/^cpu +(.*)$/m)?.[1]
    ?.split(' ')
    .map(Number)
  if (!fields) return undefined
  const [user = 0, , system = 0, , , irq = 0, soft = 0, stolen = 0] = fields
  return { busy: (user + system + irq + soft) / ticksPerSecond, stolen: stolen / ticksPerSecond }
}

export interface MachineFacts {
  readonly cores: number
  readonly model: string
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
}

export function machineFacts(): MachineFacts {
  const all = cpus()
  return {
    cores: all.length,
    model: all[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
