import type { FastifyInstance } from 'fastify'
import { servePage } from '../pages/index.ts'
import type { Config, Logger } from '../platform/index.ts'

/** The web pages that this node serves beside its clients. A worker has no clients, and no pages. */
export function addPages(app: FastifyInstance, config: Config, logger: Logger): void {
  const wanted = [
    ...(config.demo && config.role !== 'worker' ? (['demo'] as const) : []),
    ...(config.auth.insecure && config.role !== 'worker' ? (['console'] as const) : []),
  ]
  for (const page of wanted) {
    if (!servePage(app, page)) logger.warn({ page }, 'a page has not been built: npm run build')
  }
}
