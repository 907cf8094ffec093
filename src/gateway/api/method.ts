import type { Cluster } from '../cluster/cluster.ts'
import type { Router } from '../types.ts'
import type { ApiRequest } from './request.ts'

export interface ApiParts {
  readonly router: Router
  readonly cluster: Cluster
}

/** One method of the API; gives the JSON text of its result. */
export type ApiMethod = (request: ApiRequest, parts: ApiParts) => Promise<string>
