import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { NodeProcess } from '../types.ts'

/** How long a supervisor waits before it starts what has crashed. */
const restartMs = 300
const stopLimitMs = 10_000

/**
 * A program of `programs/` as a process under a supervisor, as it would run in production: one that ends without
 * being asked to is started again, at the same port.
 */
export class Program implements NodeProcess {
  readonly #file: string
  readonly #options: object
  #child: ChildProcess | undefined
  #port = 0
  #wanted = false
  #timer: NodeJS.Timeout | undefined
  /** How often it has ended by itself. */
  crashes = 0

  constructor(name: string, options: object) {
    this.#file = fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url))
    this.#options = options
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async start(): Promise<this> {
    this.#wanted = true
    const options = JSON.stringify({ ...this.#options, port: this.#port })
    const child = spawn(process.execPath, [this.#file, options], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    let errors = ''
    child.stderr.on('data', chunk => {
      errors = (errors + chunk).slice(-4_000)
    })
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
    child.once('exit', () => {
      process.removeListener('exit', end)
      if (!this.#wanted || this.#child !== child) return
      this.crashes++
      this.#timer = setTimeout(() => void this.start().catch(() => undefined), restartMs)
    })
    this.#port = await new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', line => {
        const listening = /^listening on (\d+)/.exec(line)
        if (listening) resolve(Number(listening[1]))
      })
      child.once('exit', code => reject(new Error(`${this.#file} ended with ${code}:\n${errors}`)))
    })
    return this
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), stopLimitMs)
    await this.#end('SIGTERM')
    clearTimeout(timer)
  }

  async startAgain(): Promise<void> {
    await this.start()
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  goOn(): void {
    this.#child?.kill('SIGCONT')
  }

  memory(): number {
    const own = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
    return Number(own?.[1] ?? 0) * 1_024
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#wanted = false
    clearTimeout(this.#timer)
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    child.kill('SIGCONT')
    await exit
  }
}
