import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WorkerReport, WorkerSetup } from './group-worker.ts'

const program = fileURLToPath(new URL('./group-worker.ts', import.meta.url))

export interface WorkerProcess {
  readonly name: string
  readonly frozen: boolean
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** SIGSTOP, so long, then SIGCONT: it goes on as if no time had passed. */
  freeze(ms: number): Promise<void>
  /** SIGTERM, and waits for its end. */
  stop(): Promise<{ readonly code: number | null; readonly errors: string }>
}

/** Processes that work for the groups of `group-worker.ts`, of which some may be killed. */
export class WorkerProcesses {
  readonly #setup: Omit<WorkerSetup, 'name'>
  readonly #alive = new Map<string, WorkerProcess>()
  readonly #reports = new Map<string, WorkerReport>()
  /** Who has ended without being asked to, with what it said. */
  readonly deaths: string[] = []
  #started = 0

  constructor(setup: Omit<WorkerSetup, 'name'>) {
    this.#setup = setup
  }

  get alive(): readonly WorkerProcess[] {
    return [...this.#alive.values()]
  }

  /** Duplicates that all of them have suppressed, as far as they came to tell. */
  get suppressed(): number {
    return [...this.#reports.values()].reduce((sum, report) => sum + report.suppressed, 0)
  }

  start(): WorkerProcess {
    const name = `worker-${++this.#started}`
    const setup: WorkerSetup = { ...this.#setup, name }
    const child = spawn(process.execPath, [program, JSON.stringify(setup)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', chunk => {
      errors += chunk
    })
    const working = Promise.withResolvers<void>()
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('{"suppressed"')) {
        this.#reports.set(name, JSON.parse(line) as WorkerReport)
        working.resolve()
      } else if (process.env['HOLDFAST_TEST_LOG']) console.log(name, line)
    })
    let frozen = false
    const worker: WorkerProcess = {
      name,
      get frozen() {
        return frozen
      },
      kill: async () => {
        this.#alive.delete(name)
        await ended(child, 'SIGKILL')
      },
      async freeze(ms) {
        frozen = true
        child.kill('SIGSTOP')
        await new Promise(resolve => setTimeout(resolve, ms))
        child.kill('SIGCONT')
        frozen = false
      },
      stop: async () => {
        // Until it is at work, SIGTERM ends a process as SIGKILL does.
        await working.promise
        this.#alive.delete(name)
        return { code: await ended(child, 'SIGTERM'), errors }
      },
    }
    this.#alive.set(name, worker)
    child.once('exit', code => {
      working.resolve()
      if (this.#alive.delete(name)) this.deaths.push(`${name} ended with ${code}: ${errors}`)
    })
    return worker
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exit = once(child, 'exit')
  child.kill(signal)
  const [code] = (await exit) as [number | null]
  return code
}
