import { DiagLogLevel, diag } from '@opentelemetry/api'

/** A collector that is away fails with every batch. */
const againMs = 60_000
const mostKinds = 100

/** What is wrong with sending telemetry goes to standard error; unless the operator has asked for the SDK's own log. */
export function complainOfSending(env: Readonly<Record<string, string | undefined>>): void {
  if (!env['OTEL_LOG_LEVEL'])
    diag.setLogger(new Complaints(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
}

/** The same thing once a minute. */
class Complaints {
  readonly #said = new Map<string, number>()
  readonly error = (message: string, ...args: unknown[]) => this.#say(message, args)
  readonly warn = (message: string, ...args: unknown[]) => this.#say(message, args)
  readonly info = () => undefined
  readonly debug = () => undefined
  readonly verbose = () => undefined

  #say(message: string, args: readonly unknown[]): void {
    const text = [message, ...args.map(each => (each instanceof Error ? each.message : String(each)))].join(
      ' ',
    )
    const line = text.replace(/\s+/g, ' ').slice(0, 300)
    const kind = line.slice(0, 60)
    const now = performance.now()
    if (now - (this.#said.get(kind) ?? Number.NEGATIVE_INFINITY) < againMs) return
    if (this.#said.size >= mostKinds) this.#said.clear()
    this.#said.set(kind, now)
    process.stderr.write(`holdfast: telemetry: ${line}\n`)
  }
}
