/** Examples at the end of a command's help, one per line: what it does, then the line to type. */
export function examples(...lines: readonly (readonly [does: string, line: string])[]): string {
  return `\nExamples:\n${lines.map(([does, line]) => `  # ${does}\n  $ ${line}`).join('\n')}`
}
