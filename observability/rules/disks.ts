import { roomOnDisks } from '../disks.ts'
import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** What node_exporter says of the machines that hold the ledger; nothing fires where nobody asks one. */
export function diskAlerts(time: Time): Group<Alert> {
  const share = roomOnDisks.share
  const inADay = `min by (instance, device) (predict_linear(${roomOnDisks.bytes}[${time.span('6h')}], 86400))`
  return {
    name: 'holdfast-disks',
    rules: [
      {
        alert: 'HoldfastDiskFull',
        severity: 'page',
        expr: `${share} < 0.03`,
        for: time.span('1m'),
        summary: '{{ $labels.device }} of {{ $labels.instance }} is full',
        description: '{{ $value | humanizePercentage }} of it is left.',
      },
      {
        alert: 'HoldfastDiskFills',
        severity: 'ticket',
        // A disk that is new, or was just emptied, is filled fast by what has its place there.
        expr: `${share} < 0.1 or ${share} < 0.5 and ${inADay} < 0`,
        for: time.span('30m'),
        summary: '{{ $labels.device }} of {{ $labels.instance }} fills',
        description: 'Only {{ $value | humanizePercentage }} of it is left, or it goes within a day.',
      },
    ],
  }
}
