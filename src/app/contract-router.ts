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
      const checked = check(
        publication.channel,
        publication.type ?? 'publication',
        JSON.parse(publication.data),
      )
      // Only where the schema is asynchronous: else two messages of one sender could change places.
      if (checked) await checked
      return router.publish(publication)
    },
    async append(event) {
      const checked = check(event.channel, event.type, JSON.parse(event.data))
      if (checked) await checked
      return router.append(event)
    },
  }
}
