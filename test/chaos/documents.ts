import { type Line, markdownTable, noFault } from './report.ts'

/** What is kept in the repository of recorded runs. */
export interface Kept {
  readonly lines: readonly Line[]
}

const begin = (name: string) => `<!-- ${name}: made by \`npm run chaos -- --record\` -->`
const end = (name: string) => `<!-- end of ${name} -->`

/** The document with its generated parts made anew. */
export function writeTables(text: string, { lines }: Kept): string {
  return between(
    between(text, 'faults', markdownTable(lines.filter(({ system }) => system === 'holdfast'))),
    'comparison',
    comparison(lines),
  )
}

function between(text: string, name: string, content: string): string {
  const from = text.indexOf(begin(name))
  const to = text.indexOf(end(name))
  if (from < 0 || to < from) throw new Error(`docs/CHAOS.md has no part "${name}"`)
  return `${text.slice(0, from)}${begin(name)}\n\n${content}\n\n${text.slice(to)}`
}

/** What each system loses of what it acknowledged, side by side. */
function comparison(lines: readonly Line[]): string {
  const systems = [...new Set(lines.map(({ system }) => system))]
  const faults = [...new Set(lines.filter(({ system }) => system !== 'holdfast').map(({ fault }) => fault))]
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const cell = (line: Line | undefined) => {
    if (!line) return '–'
    const { acknowledged, lost, missing, wrong, wrongEffects } = line.events
    if (lost + missing + wrong + wrongEffects === 0) return `0 of ${acknowledged}`
    return `${lost} of ${acknowledged}, ${missing} missing, ${wrong + wrongEffects} wrong`
  }
  return [
    row(['fault', ...systems]),
    row(['---', ...systems.map(() => '---')]),
    ...faults.map(fault =>
      row([
        fault === noFault ? 'none' : fault,
        ...systems.map(system => cell(lines.find(line => line.system === system && line.fault === fault))),
      ]),
    ),
  ].join('\n')
}
