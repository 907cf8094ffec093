import { Buckets, sizeBounds } from '../../telemetry/index.ts'

/** How a ledger's appends have fared since this process began. */
export class AppendMeter {
  /** Events of one statement. */
  readonly batchSize = new Buckets(sizeBounds)
  /** Seconds from a batch's sending to the answer of its commit, or to its failure. */
  readonly committed = new Buckets()
  readonly failed = new Buckets()
  /** Seconds from an event's acceptance to the answer that it is recorded. */
  readonly stored = new Buckets()
  /** Bytes of events that wait or are under way. */
  waitingBytes = 0
}
