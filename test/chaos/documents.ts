import { faultTable, figureTable, type Line, markdown } from './report.ts'

/** What is kept in the repository of recorded runs. */
export interface Kept {
  readonly lines: readonly Line[]
}

const usual = 'npm run chaos -- --record'
const begin = (name: string, command: string) => `<!-- ${name}: made by \`${command}\` -->`
const end = (name: string) => `<!-- end of ${name} -->`

/** The document with its generated parts made anew. */
export function writeTables(text: string, { lines }: Kept): string {
  const ours = lines.filter(({ system }) => system === 'holdfast')
  const parts = { faults: faultTable(ours), figures: figureTable(ours), comparison: comparison(lines) }
  return Object.entries(parts).reduce((all, [name, content]) => between(all, name, content), text)
}

/** With some rows anew, the others stay; all in the order of `faults`. */
export function keepOver(earlier: Kept, fresh: readonly Line[], faults: readonly string[]): Kept {
  const key = ({ system, fault }: Line) => `${system} ${fault}`
  const all = new Map([...earlier.lines, ...fresh].map(line => [key(line), line]))
  const systems = [...new Set([...all.values()].map(({ system }) => system))]
  return {
    lines: systems.flatMap(system => faults.flatMap(fault => all.get(`${system} ${fault}`) ?? [])),
  }
}

/** The text with what stands between the marks of that name made anew. */
export function between(text: string, name: string, content: string, command = usual): string {
  const from = text.indexOf(begin(name, command))
  const to = text.indexOf(end(name))
  if (from < 0 || to < from) throw new Error(`docs/CHAOS.md has no part "${name}"`)
  return `${text.slice(0, from)}${begin(name, command)}\n\n${content}\n\n${text.slice(to)}`
}

/** What each system does to events that it acknowledged, side by side. */
function comparison(lines: readonly Line[]): string {
  const systems = [...new Set(lines.map(({ system }) => system))]
  const faults = new Set(lines.filter(({ system }) => system !== 'holdfast').map(({ fault }) => fault))
  const cell = (line: Line | undefined) => {
    if (!line) return '–'
    const { acknowledged, lost, missing, wrong, wrongEffects } = line.events
    const parts = [`${lost} lost`, `${missing} missing`, `${wrong + wrongEffects} wrong`]
    const bad = parts.filter(part => !part.startsWith('0 '))
    return `${bad.length > 0 ? bad.join(', ') : 'none'} of ${acknowledged}`
  }
  return markdown(
    ['fault', ...systems],
    [...faults].map(fault => [
      fault,
      ...systems.map(system => cell(lines.find(line => line.system === system && line.fault === fault))),
    ]),
  )
}
