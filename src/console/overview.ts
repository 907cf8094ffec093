import { lostVerdict } from './loss-verdict.ts'
import type { Mark, Part, Source } from './wire-common.ts'
import type { NodeSheet, NodeView, Overview, ProbeView, TierVerdict } from './wire-now.ts'

const shownMarks = 20

/** What is known of all nodes, as answers to the first questions. */
export function overviewOf(
  nodes: readonly NodeView[],
  sources: readonly Source[],
  marks: Part<readonly Mark[]>,
  losses: readonly Mark[] | null,
  now = Date.now(),
): Overview {
  const heard = nodes.filter(each => each.heard).map(({ sheet }) => sheet)
  const probes = heard.flatMap(({ name, probes: own }) => own.map(probe => ({ node: name, ...probe })))
  return {
    time: now,
    sources,
    nodes,
    lost: lostVerdict(nodes, now, losses),
    tiers: {
      realtime: withinNodes(tierVerdict(probes.filter(({ tier }) => tier === 'realtime')), heard),
      durable: tierVerdict(probes.filter(({ tier }) => tier === 'durable')),
    },
    marks: { ...marks, value: marks.value?.slice(0, shownMarks) ?? null },
    readOnly: [...new Set(heard.flatMap(({ readOnly }) => readOnly))].sort(),
    skew: {
      versions: [...new Set(heard.map(({ version }) => version))].sort(),
      configs: [...new Set(heard.map(({ config }) => config))].sort(),
    },
  }
}

export function tierVerdict(probes: readonly ProbeView[]): TierVerdict {
  const seen = probes.filter(({ succeeded, failed, degraded }) => succeeded + failed + degraded > 0)
  if (seen.length === 0)
    return { verdict: 'unknown', says: 'No canary has said anything within the last minute.', probes }
  const bad = seen.filter(({ failed, succeeded }) => failed > succeeded)
  if (bad.length > 0) return { verdict: 'bad', says: `Does not deliver: ${places(bad)}.`, probes }
  const degraded = seen.filter(each => each.degraded > 0)
  if (degraded.length > 0) {
    const most = degraded.some(each => each.degraded >= each.succeeded)
    const says = most ? 'Within each node only' : 'Not always between nodes within the last minute'
    return { verdict: 'degraded', says: `${says}: ${places(degraded)}.`, probes }
  }
  const failing = seen.filter(({ failed }) => failed > 0)
  if (failing.length > 0)
    return { verdict: 'degraded', says: `Delivers, with failures: ${places(failing)}.`, probes }
  return { verdict: 'good', says: 'Every canary of the last minute arrived.', probes }
}

/** A node that never heard another one sends no canary there: its bus tells what none of them can. */
function withinNodes(told: TierVerdict, heard: readonly NodeSheet[]): TierVerdict {
  const alone = heard.filter(({ parts }) => parts.bus !== 'ready').map(({ name }) => name)
  if (alone.length === 0 || told.verdict === 'bad' || told.verdict === 'degraded') return told
  const says = `Within each node only: no bus between ${alone.join(', ')} and other nodes.`
  return { ...told, verdict: 'degraded', says }
}

const ways: Readonly<Record<string, (node: string) => string>> = {
  connect: node => `connecting to ${node}`,
  accept: node => `what ${node} accepts`,
  local: node => `delivery within ${node}`,
  other: node => `delivery from ${node} to other nodes`,
}

function places(probes: readonly ProbeView[]): string {
  const named = probes.slice(0, 4).map(({ node, path, reason }) => {
    const way = ways[path]?.(node) ?? `${path} on ${node}`
    return `${way}${reason === null ? '' : ` (${reason})`}`
  })
  return probes.length > named.length
    ? `${named.join(', ')} and ${probes.length - named.length} more`
    : named.join(', ')
}
