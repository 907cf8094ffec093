import { HoldfastError } from '../../domain/index.ts'
import type { Operations } from '../../durable/index.ts'
import type { ProjectionOperations, ReadModels } from '../../projections/index.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { CommandRunner, Router } from '../types.ts'
import type { ApiTracing } from './api-tracing.ts'
import type { ApiRequest } from './request.ts'

export interface ApiParts {
  readonly router: Router
  readonly cluster: Cluster
  /** Undefined where no Postgres is configured. */
  readonly commands?: CommandRunner | undefined
  /** As `commands`. */
  readonly operations?: Operations | undefined
  /** Which calls are traced; without it none. */
  readonly tracing?: ApiTracing | undefined
  /** As `commands`. */
  readonly projections?: ProjectionsApi | undefined
}

/** What the API has of projections. */
export interface ProjectionsApi {
  readonly operations: ProjectionOperations
  readonly reads: ReadModels
}

/** One method of the API; gives the JSON text of its result. */
export type ApiMethod = (request: ApiRequest, parts: ApiParts) => Promise<string>

/** @throws HoldfastError NOT_AVAILABLE where there is no ledger */
export function operationsOf({ operations }: ApiParts): Operations {
  if (operations) return operations
  throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
}
