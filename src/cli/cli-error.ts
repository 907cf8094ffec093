/** Something the person at the terminal can act on: shown as one line, and a second that says what to do. */
export class CliError extends Error {
  readonly remedy: string | undefined
  /** 1: it did not work; 2: the command was not understood. */
  readonly exitCode: 1 | 2

  constructor(message: string, remedy?: string, exitCode: 1 | 2 = 1) {
    super(message)
    this.name = 'CliError'
    this.remedy = remedy
    this.exitCode = exitCode
  }
}
