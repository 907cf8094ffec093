import type { Sql } from '../../platform/index.ts'
import type { RetainedNamespaces } from '../ledger/retention-rules.ts'
import { type NamespaceRetention, retentionStatus, retentionWork } from '../ledger/retention-status.ts'

export interface RetentionOperations {
  /** By namespace what retention would remove, and who holds it back. `onStep` is called `steps` times. */
  status(namespaces: RetainedNamespaces, onStep?: () => void): Promise<NamespaceRetention[]>
  steps(namespaces: RetainedNamespaces): Promise<number>
}

export function retentionOperations(sql: Sql): RetentionOperations {
  return {
    status: (namespaces, onStep) => retentionStatus(sql, namespaces, onStep),
    steps: namespaces => retentionWork(sql, namespaces),
  }
}
