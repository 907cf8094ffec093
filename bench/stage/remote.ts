// Calls between the benchmark and its processes over Node's IPC channel.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

// biome-ignore lint/suspicious/noExplicitAny: the argument's type is each handler's own
export type Handlers = Record<string, (argument: any) => unknown>

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** The child's side: answers calls one after another, and ends when the benchmark has gone, however it went. */
export function answer(handlers: Handlers): void {
  let turn: Promise<unknown> = Promise.resolve()
  process.on('message', ({ id, name, argument }: { id: number; name: string; argument: unknown }) => {
    turn = turn.then(async () => {
      try {
        process.send?.({ id, result: await handlers[name]?.(argument) } satisfies Answer)
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    })
  })
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C reaches the whole group; the benchmark ends its children itself, in its order.
  process.on('SIGINT', () => undefined)
}

/** The benchmark's side: a child process that runs `file` and answers calls. */
export class Remote<H extends Handlers> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #lastId = 0

  constructor(file: URL, args: readonly string[] = [], execArgv: readonly string[] = []) {
    this.#child = fork(file, [...args], {
      execArgv: [...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', ({ id, result, error }: Answer) => {
      const call = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error))
    })
    this.#child.once('exit', (code, signal) => {
      for (const call of this.#waiting.values())
        call.reject(new Error(`${file.pathname} ended (${signal ?? code})`))
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  call<K extends keyof H & string>(
    name: K,
    argument: Parameters<H[K]>[0],
  ): Promise<Awaited<ReturnType<H[K]>>> {
    const id = ++this.#lastId
    const call = Promise.withResolvers<unknown>()
    this.#waiting.set(id, call)
    if (this.#child.exitCode !== null || !this.#child.connected)
      call.reject(new Error('the process has ended'))
    else this.#child.send({ id, name, argument })
    return call.promise as Promise<Awaited<ReturnType<H[K]>>>
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
