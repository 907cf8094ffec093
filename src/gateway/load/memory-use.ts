import { getHeapStatistics } from 'node:v8'

/** What a process may use, in bytes. */
export interface MemoryLimits {
  /** Of V8's heap: `--max-old-space-size`, or what V8 takes for right. */
  readonly heap: number
  /** Of the whole process: a container's. Undefined where there is none. */
  readonly process: number | undefined
}

/** Read once: neither changes while a process lives. */
export function memoryLimits(): MemoryLimits {
  const constrained = process.constrainedMemory()
  // Without a limit, the kernel tells a number that no machine has.
  const limited = constrained > 0 && constrained < Number.MAX_SAFE_INTEGER
  return { heap: getHeapStatistics().heap_size_limit, process: limited ? constrained : undefined }
}

/** How near this process is to the end of its memory: the share of the heap or of the container's memory that is used. */
export function memoryUse(limits: MemoryLimits): number {
  const { used_heap_size: heap } = getHeapStatistics()
  const ofHeap = heap / limits.heap
  return limits.process === undefined ? ofHeap : Math.max(ofHeap, process.memoryUsage.rss() / limits.process)
}
