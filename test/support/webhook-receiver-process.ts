import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/cli/services/free-port.ts'
import type { JournalLine } from './webhook-receiver.ts'

const program = fileURLToPath(new URL('./webhook-receiver.ts', import.meta.url))

/** `webhook-receiver.ts` at an address that stays, however often it is killed and comes back. */
export class WebhookReceiverProcess {
  readonly url: string
  readonly #port: number
  readonly #folder: string
  readonly #seed: number
  #starts = 0
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string, seed: number) {
    this.url = `http://127.0.0.1:${port}/hooks`
    this.#port = port
    this.#folder = folder
    this.#seed = seed
  }

  static async make(seed: number): Promise<WebhookReceiverProcess> {
    return new WebhookReceiverProcess(
      await freePort(),
      await mkdtemp(join(tmpdir(), 'holdfast-hooks-')),
      seed,
    )
  }

  /** @param secret the only one that it verifies with */
  async start(secret: string): Promise<void> {
    const seed = this.#seed + this.#starts++
    const args = [program, String(this.#port), this.#journal, secret, String(seed)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the receiver ended with code ${code}`)
    })
    ended.catch(() => undefined)
    await Promise.race([once(child, 'message'), ended])
  }

  /** SIGKILL: whoever is connected sees a reset, and nobody listens any more. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async journal(): Promise<JournalLine[]> {
    const text = await readFile(this.#journal, 'utf8').catch(() => '')
    // Killed in the middle of a line, it has not said that it did something.
    return text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as JournalLine)
  }

  async close(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #journal(): string {
    return join(this.#folder, 'journal')
  }
}
