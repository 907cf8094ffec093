import { auditWindow } from '../durable/index.ts'
import type { Mark } from './wire-common.ts'
import type { AuditView, LostVerdict, NodeView } from './wire-now.ts'

/** A pass may be missed, and a whole partition be counted in between, which takes up to a minute. */
const freshPasses = 3
const freshMoreMs = 60_000

/**
 * Of all nodes that are known: what one of them has found missing stays missing when it falls silent, stops, or audits no
 * more, until a whole pass that began afterwards has not found it. `earlier`: marks of kind `audit`, those that are older
 * than this node among them; null where they could not be read yet.
 */
export function lostVerdict(
  nodes: readonly NodeView[],
  now: number,
  earlier: readonly Mark[] | null,
): LostVerdict {
  const audits = nodes.flatMap(({ sheet: { audit } }) => (audit ? [audit] : []))
  const checked = audits.length === 0 ? null : audits.reduce((sum, audit) => sum + audit.checked, 0)
  const latest = latestOf(audits)
  const auditedAt = latest?.completedAt ?? null
  const lost = audits.reduce((sum, audit) => sum + audit.lost, 0)
  const told = (verdict: LostVerdict['verdict'], says: string, missing = lost): LostVerdict => ({
    ...{ verdict, says, checked, auditedAt },
    lost: audits.length === 0 && missing === 0 ? null : missing,
  })
  if (lost > 0) return told('bad', `${lost} acknowledged event(s) are missing.`)
  const standing = earlier?.filter(mark => !audits.some(audit => (audit.wholeFrom ?? 0) > mark.time)) ?? []
  const missing = standing.reduce((most, { details }) => Math.max(most, Number(details['missing'] ?? 0)), 0)
  if (missing > 0) {
    const at = new Date(Math.max(...standing.map(({ time }) => time))).toISOString()
    const says = `${missing} acknowledged event(s) were found missing (${at}), and no whole pass since has found them.`
    return told('bad', says, missing)
  }
  if (audits.length === 0) return told('unknown', 'No node that is heard has an auditor: nobody looks.')
  if (nodes.every(({ heard, sheet }) => !heard || sheet.parts.ledger !== 'ready'))
    return told('unknown', `Nobody can look while the ledger does not answer. ${lastPass(auditedAt, now)}`)
  if (earlier === null)
    return told('unknown', 'What was found earlier is not known: Postgres has not said yet.')
  if (!latest || auditedAt === null) {
    return told('unknown', 'No audit has been completed yet; nothing is missing so far.')
  }
  if (now - auditedAt > freshPasses * latest.everySeconds * 1_000 + freshMoreMs)
    return told('unknown', lastPass(auditedAt, now))
  if (audits.some(({ wholeFrom }) => wholeFrom !== null))
    return told('good', 'Everything that was acknowledged is there.')
  const says = `Nothing is missing among the newest ${auditWindow} events of each partition; the rest has not been gone through yet.`
  return told('good', says)
}

function latestOf(audits: readonly AuditView[]): AuditView | undefined {
  return audits.reduce<AuditView | undefined>(
    (latest, audit) => ((audit.completedAt ?? 0) > (latest?.completedAt ?? 0) ? audit : latest),
    undefined,
  )
}

function lastPass(auditedAt: number | null, now: number): string {
  if (auditedAt === null) return 'No audit has been completed yet.'
  const seconds = Math.round((now - auditedAt) / 1_000)
  const ago = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`
  return `The last complete audit ended ${ago} ago.`
}
