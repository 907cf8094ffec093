import type { Alert } from '../../observability/rules/rule.ts'

/** Series of Prometheus' tests, one value a minute: `0+60x10` begins at 0 and adds 60, ten times. */
type Series = Readonly<Record<string, string>>

export interface Case {
  readonly alert: Alert['alert']
  /** With these it fires at the end of `minutes`. */
  readonly fires: Series
  /** With these, which differ little, it does not. */
  readonly quiet: Series
  readonly minutes: number
}

/** Where one series decides. */
export function one(
  alert: Case['alert'],
  series: string,
  fires: string,
  quiet: string,
  minutes: number,
): Case {
  return { alert, minutes, fires: { [series]: fires }, quiet: { [series]: quiet } }
}
