import type { GroupOperations } from '../../durable/index.ts'
import type { Sql } from '../../platform/index.ts'
import type { ProjectionActs } from '../acts.ts'
import { type ProjectionReport, projectionReport, projectionReports } from './projection-report.ts'

/** What operators see of projections and may do to them: statements on Postgres, whichever nodes run. */
export interface ProjectionOperations extends ProjectionActs {
  /** All that have builds, by name. */
  list(): Promise<readonly ProjectionReport[]>
  /** @throws HoldfastError REQUEST_INVALID where there is no such projection */
  status(projection: string): Promise<ProjectionReport>
}

export function projectionOperations(
  sql: Sql,
  groups: Pick<GroupOperations, 'list'>,
  acts: ProjectionActs,
): ProjectionOperations {
  return {
    ...acts,
    list: () => projectionReports(sql, groups),
    status: projection => projectionReport(sql, groups, projection),
  }
}
