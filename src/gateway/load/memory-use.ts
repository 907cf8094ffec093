import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'

/** What a process may use, in bytes. */
export interface MemoryLimits {
  /** Of what lives longer in V8's heap: beyond it the process dies. */
  readonly heap: number
  /** Of the whole process: a container's. Undefined where there is none. */
  readonly process: number | undefined
}

const megabyte = 1_048_576
/** V8 counts it to the heap's limit, and nothing that stays can use it (measured with Node 24: 3 times 64 MiB). */
const youngBytes = 192 * megabyte

/** Read once: neither changes while a process lives. */
export function memoryLimits(): MemoryLimits {
  const constrained = process.constrainedMemory()
  // Without a limit, the kernel tells a number that no machine has.
  const limited = constrained > 0 && constrained < Number.MAX_SAFE_INTEGER
  return { heap: heapLimit(), process: limited ? constrained : undefined }
}

/** How near this process is to the end of its memory: the share of the heap or of the container's memory that is used. */
export function memoryUse(limits: MemoryLimits): number {
  let heap = 0
  for (const { space_name: name, space_used_size: used } of getHeapSpaceStatistics())
    if (!name.startsWith('new_')) heap += used
  const ofHeap = heap / limits.heap
  return limits.process === undefined ? ofHeap : Math.max(ofHeap, process.memoryUsage.rss() / limits.process)
}

/** V8 does not tell it without the young generation; where it was not set, rather too little than too much. */
function heapLimit(): number {
  const flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
  const set = /--max[-_]old[-_]space[-_]size[= ](\d+)/.exec(flags)?.[1]
  if (set !== undefined) return Number(set) * megabyte
  const all = getHeapStatistics().heap_size_limit
  return Math.max(all - youngBytes, all / 2)
}
