import type { OpenTier } from '../durable/index.ts'
import type { Breakers } from '../resilience/index.ts'
import type { MarkBook } from './mark-book.ts'
import type { NodeReadings } from './readings.ts'

export interface ChangeSources {
  readonly marks: MarkBook
  readonly nodeName: string
  readonly breakers: Breakers
  readonly readings: Pick<NodeReadings, 'health' | 'audit' | 'onLoss'>
  /** Undefined without Postgres. */
  readonly ledger: Pick<OpenTier['log']['ledger'], 'onEpoch' | 'server'> | undefined
}

const lookMs = 1_000

/** Notes what changes by itself on this node, or is seen from it. Returns what ends that. */
export function watchChanges({ marks, nodeName, breakers, readings, ledger }: ChangeSources): () => void {
  const away = new Set<string>()
  const endBreakers = breakers.onChange(({ role, state, reason, heldBy }) => {
    // Between an outage's beginning and its end there are only vain probes, and a beginning of its own has every connection.
    if (state === 'probing' || (state === 'passing' && !away.has(role) && heldBy === undefined)) return
    if (state === 'rejecting' && away.has(role) && heldBy === undefined) return
    if (state === 'passing' && heldBy === undefined) away.delete(role)
    else away.add(role)
    const says = `breaker ${role} on ${nodeName}: ${state} (${reason})`
    marks.note({ kind: 'breaker', says, details: { role, state, reason, heldBy: heldBy ?? null } })
  })
  const endEpoch = ledger?.onEpoch(epoch => {
    const says = `the ledger has a new epoch: ${epoch}`
    marks.note({ kind: 'epoch', says, details: { epoch }, id: `epoch/${epoch}`, node: null })
  })
  let server = ledger?.server ?? ''
  let state = readings.health().parts.ledger
  let lost = 0
  // The most since the last look: it may have passed to another process before the next one, which finds it on its own.
  let found = 0
  readings.onLoss(missing => {
    found = Math.max(found, missing)
  })
  const look = () => {
    const present = ledger?.server ?? ''
    // Empty while it is in doubt; what comes after that tells.
    if (present !== '' && server !== '' && present !== server) {
      const says = 'Postgres was restarted, or another server has taken its place'
      marks.note({ kind: 'ledger_server', says, details: {}, id: `ledger_server/${present}`, node: null })
    }
    if (present !== '') server = present
    const { ledger: now } = readings.health().parts
    if (ledger && now !== state) {
      const says = `the ledger is ${now.replace('_', ' ')}, as ${nodeName} sees it`
      marks.note({ kind: 'ledger_state', says, details: { state: now, before: state } })
    }
    state = now
    audited()
  }
  const audited = () => {
    if (found > lost)
      marks.note({
        kind: 'audit',
        says: `${found - lost} acknowledged event(s) were found missing`,
        details: { missing: found },
      })
    lost = readings.audit()?.lost ?? 0
    found = lost
  }
  const timer = setInterval(look, lookMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    // What was found since the last look has to outlive this process.
    audited()
    endBreakers()
    endEpoch?.()
  }
}
