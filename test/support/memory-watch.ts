import { readFileSync } from 'node:fs'

export const MiB = 1_048_576

/** Bytes of a process's memory that are its own (`RssAnon`): heap, buffers and stacks, without files it maps. */
export function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024
}

/** Looks at a process's memory every 100 ms. */
export class MemoryWatch {
  readonly #pid: number
  readonly #timer: NodeJS.Timeout
  highest = 0
  samples = 0

  constructor(pid: number) {
    this.#pid = pid
    this.#timer = setInterval(() => this.#look(), 100)
    this.#look()
  }

  get now(): number {
    return this.#look()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): number {
    const bytes = memoryOf(this.#pid)
    this.highest = Math.max(this.highest, bytes)
    this.samples++
    return bytes
  }
}
