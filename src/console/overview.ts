import type { Mark, Part, Source } from './wire-common.ts'
import type { LostVerdict, NodeView, Overview, ProbeView, TierVerdict } from './wire-now.ts'

/** The auditor goes through everything again and again (`prober.auditIntervalMs`); what it said longer ago says nothing about now. */
const auditFreshMs = 900_000
const shownMarks = 20

/** What is known of all nodes, as answers to the first questions. */
export function overviewOf(
  nodes: readonly NodeView[],
  sources: readonly Source[],
  marks: Part<readonly Mark[]>,
  now = Date.now(),
): Overview {
  const heard = nodes.filter(each => each.heard).map(({ sheet }) => sheet)
  const probes = heard.flatMap(({ name, probes: own }) => own.map(probe => ({ node: name, ...probe })))
  return {
    time: now,
    sources,
    nodes,
    lost: lostVerdict(nodes, now),
    tiers: {
      realtime: tierVerdict(probes.filter(({ tier }) => tier === 'realtime')),
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

/** Of all nodes that are known: what one of them has found missing stays missing when it falls silent. */
export function lostVerdict(nodes: readonly NodeView[], now: number): LostVerdict {
  const audits = nodes.flatMap(({ sheet: { audit } }) => (audit ? [audit] : []))
  if (audits.length === 0) {
    const says = 'No node that is heard has an auditor: nobody looks.'
    return { verdict: 'unknown', says, lost: null, checked: null, auditedAt: null }
  }
  const lost = audits.reduce((sum, audit) => sum + audit.lost, 0)
  const checked = audits.reduce((sum, audit) => sum + audit.checked, 0)
  const ends = audits.flatMap(({ completedAt }) => (completedAt === null ? [] : [completedAt]))
  const auditedAt = ends.length === 0 ? null : Math.max(...ends)
  const known = { lost, checked, auditedAt }
  if (lost > 0) return { verdict: 'bad', says: `${lost} acknowledged event(s) are missing.`, ...known }
  if (auditedAt === null)
    return {
      verdict: 'unknown',
      says: 'No audit has been completed yet; nothing is missing so far.',
      ...known,
    }
  if (now - auditedAt > auditFreshMs) {
    const minutes = Math.round((now - auditedAt) / 60_000)
    return { verdict: 'unknown', says: `The last complete audit ended ${minutes} minutes ago.`, ...known }
  }
  return { verdict: 'good', says: 'Everything that was acknowledged is there.', ...known }
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
  return { verdict: 'good', says: 'Delivers.', probes }
}

function places(probes: readonly ProbeView[]): string {
  const named = probes.slice(0, 4).map(({ node, path, reason }) => {
    return `${path} on ${node}${reason === null ? '' : ` (${reason})`}`
  })
  return probes.length > named.length
    ? `${named.join(', ')} and ${probes.length - named.length} more`
    : named.join(', ')
}
