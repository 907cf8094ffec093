import type { FastifyInstance } from 'fastify'
import { servePage } from '../pages/index.ts'
import type { Config, Logger } from '../platform/index.ts'

/** The web page that this node serves beside its clients, and beside the console. A worker has no clients, and no pages. */
export function addPages(app: FastifyInstance, config: Config, logger: Logger): void {
  if (!config.demo || config.role === 'worker') return
  if (!servePage(app, 'demo')) logger.warn({ page: 'demo' }, 'a page has not been built: npm run build')
}
