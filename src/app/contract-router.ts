import type { ContractCheck } from '../contract/index.ts'
import type { Router } from '../gateway/index.ts'

/**
 * A router that refuses what does not match the contract, whoever sends it: a client's append, the HTTP API, or the
 * application itself. The data is parsed for the check only; what is carried on is the text that came.
 */
export function withContract(router: Router, check: ContractCheck): Router {
  return {
    ...router,
    async publish(publication) {
      await check(publication.channel, publication.type ?? 'publication', JSON.parse(publication.data))
      return router.publish(publication)
    },
    async append(event) {
      await check(event.channel, event.type, JSON.parse(event.data))
      return router.append(event)
    },
  }
}
