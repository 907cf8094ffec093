import type { NodeView, Overview, Source, Verdict } from '../../src/console/wire.ts'
import { ago, plural } from '../parts/format.ts'
import type { Level } from '../parts/status.tsx'
import { routeTo } from './address.ts'

/** Something that a person has to know now, and where there is more about it. */
export interface Problem {
  readonly level: Level
  readonly says: string
  readonly to: string
}

export const levelOf: Readonly<Record<Verdict, Level>> = {
  good: 'ok',
  bad: 'bad',
  degraded: 'warn',
  unknown: 'unknown',
}

const order: readonly Level[] = ['bad', 'warn', 'unknown', 'info', 'ok']

/** What is not as it should be, the worst first. Nothing here is asked for: an overview has it all. */
export function problemsOf(overview: Overview): Problem[] {
  const found = [
    ...verdicts(overview),
    ...breakers(overview.nodes),
    ...overview.nodes.flatMap(node => ofNode(node, overview.time)),
    ...overview.sources.flatMap(ofSource),
    ...settings(overview),
  ]
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

function verdicts({ lost, tiers }: Overview): Problem[] {
  const all = [
    { verdict: lost.verdict, says: lost.says },
    { verdict: tiers.realtime.verdict, says: `Realtime: ${tiers.realtime.says}` },
    { verdict: tiers.durable.verdict, says: `Durable: ${tiers.durable.says}` },
  ]
  return all
    .filter(({ verdict }) => verdict !== 'good')
    .map(({ verdict, says }) => ({ level: levelOf[verdict], says, to: routeTo('delivery') }))
}

/** By role: one sentence for a Redis that is away, not one for each node. */
function breakers(nodes: readonly NodeView[]): Problem[] {
  const byRole = new Map<string, string[]>()
  const held = new Map<string, string[]>()
  for (const { sheet, heard } of nodes) {
    // What one that is not heard any more said last may be long over.
    if (!heard) continue
    for (const { role, state, heldBy } of sheet.breakers) {
      const of = state === 'passing' ? undefined : byRole
      if (of) of.set(role, [...(of.get(role) ?? []), sheet.name])
      if (heldBy !== null) held.set(role, [...(held.get(role) ?? []), sheet.name])
    }
  }
  const to = routeTo('nodes')
  return [
    ...[...byRole].map(([role, names]) => ({
      level: role === 'ledger' ? ('bad' as const) : ('warn' as const),
      says: `The breaker of ${role} does not pass on ${names.join(', ')}`,
      to,
    })),
    ...[...held].map(([role, names]) => ({
      level: 'warn' as const,
      says: `The breaker of ${role} is held by hand on ${names.join(', ')}`,
      to,
    })),
  ]
}

function ofNode({ sheet, heard, at }: NodeView, time: number): Problem[] {
  const to = routeTo('nodes')
  if (!heard)
    return [{ level: 'warn', says: `${sheet.name} was last heard ${ago(at, time)}, without a goodbye`, to }]
  const found: Problem[] = []
  if (sheet.draining) found.push({ level: 'info', says: `${sheet.name} drains`, to })
  else if (sheet.health === 'unavailable')
    found.push({ level: 'bad', says: `${sheet.name} records no events${advice(sheet.advice)}`, to })
  if (sheet.shedding.length > 0)
    found.push({
      level: 'warn',
      says: `${sheet.name} refuses new connections (${sheet.shedding.join(', ')})`,
      to,
    })
  return found
}

function advice(text: string | null): string {
  return text === null ? '' : `: ${text}`
}

function ofSource({ name, state, problem }: Source): Problem[] {
  if (state !== 'silent') return []
  const [level, what] =
    name === 'postgres'
      ? (['bad', 'Postgres does not answer this node'] as const)
      : (['warn', 'Other nodes are not heard over Redis'] as const)
  return [{ level, says: `${what}${advice(problem)}`, to: routeTo('nodes') }]
}

function settings({ readOnly, skew }: Overview): Problem[] {
  const found: Problem[] = []
  if (readOnly.length > 0)
    found.push({
      level: 'warn',
      says: `Read-only: ${readOnly.join(', ')}`,
      to: routeTo('namespaces'),
    })
  if (skew.versions.length > 1)
    found.push({
      level: 'info',
      says: `${plural(skew.versions.length, 'release')} run: ${skew.versions.join(', ')}`,
      to: routeTo('nodes'),
    })
  if (skew.configs.length > 1)
    found.push({
      level: 'warn',
      says: `Nodes run with ${skew.configs.length} different configurations`,
      to: routeTo('nodes'),
    })
  return found
}
