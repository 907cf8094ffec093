import type { ChildProcess } from 'node:child_process'

/** A running program and how to end it. */
export interface Running {
  readonly process: ChildProcess
  stop(): Promise<void>
}

export interface KeptOptions {
  readonly name: string
  start(): Promise<Running>
  tell(line: string): void
  /** Called with each new process. */
  onStart(process: ChildProcess): unknown
  /** Starting again has failed: there is no use in going on. */
  onGiveUp(reason: string): void
}

const restartAfterMs = 1_000

/** Keeps one program running: where it ends without having been asked to, it is started again. */
export class KeptProcess {
  readonly #options: KeptOptions
  #running: Running | undefined
  #starting: Promise<void> | undefined
  #restart: NodeJS.Timeout | undefined
  #stopping = false

  constructor(options: KeptOptions) {
    this.#options = options
  }

  /** @throws what the program's first start throws */
  start(): Promise<void> {
    this.#starting = this.#start()
    return this.#starting
  }

  /**
   * Stops the program and starts it again after `ms`.
   * @returns false where it does not run anyway
   */
  pause(ms: number): boolean {
    const running = this.#running
    if (this.#stopping || !running) return false
    this.#running = undefined
    this.#starting = running.stop().then(
      () => this.#startIn(ms),
      error => this.#options.onGiveUp(`${this.#options.name} could not be stopped: ${error.message}`),
    )
    return true
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    await this.#starting?.catch(() => undefined)
    await this.#running?.stop()
  }

  async #start(): Promise<void> {
    const running = await this.#options.start()
    this.#running = running
    this.#options.onStart(running.process)
    if (running.process.exitCode !== null || running.process.signalCode !== null) this.#ended(running)
    else running.process.once('exit', () => this.#ended(running))
  }

  #ended(running: Running): void {
    // Else it was asked to.
    if (this.#stopping || this.#running !== running) return
    this.#running = undefined
    const { name, tell } = this.#options
    const { exitCode, signalCode } = running.process
    tell(`${name} has ended (${signalCode ?? `code ${exitCode}`}); starting it again`)
    this.#startIn(restartAfterMs)
  }

  #startIn(ms: number): void {
    if (this.#stopping) return
    const { name, tell, onGiveUp } = this.#options
    this.#restart = setTimeout(() => {
      this.start().then(
        () => {
          if (!this.#stopping) tell(`${name} is back`)
        },
        error => {
          if (!this.#stopping) onGiveUp(`${name} does not start again: ${error.message}`)
        },
      )
    }, ms)
  }
}
