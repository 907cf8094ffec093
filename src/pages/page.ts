/** The web pages that come with a node: built by `npm run build`, served as files. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import type { PageName } from './page-name.ts'
import { securityHeaders } from './security-headers.ts'

/** The same from `src/pages` and from `dist/pages`. */
const built = fileURLToPath(new URL('../../dist/pages/', import.meta.url))

const hashedFor = 'public, max-age=31536000, immutable'

/**
 * Serves a page under `/<name>/`, and `/<name>` leads there. Takes its paths from `app` before that is ready; routes of
 * others under the same path are theirs, whichever came first.
 * @returns false where the page has not been built: whoever asks for it is told how to
 */
export function servePage(app: FastifyInstance, name: PageName, folder = built): boolean {
  const root = join(folder, name)
  const there = existsSync(join(root, 'index.html'))
  app.register(async scope => {
    scope.addHook('onRequest', async (_, reply) => {
      reply.headers(securityHeaders(name))
    })
    // Without the last slash the page's own relative addresses would lead elsewhere.
    scope.get(`/${name}`, async (_, reply) => reply.redirect(`/${name}/`, 302))
    if (there) {
      await scope.register(fastifyStatic, {
        root,
        prefix: `/${name}/`,
        decorateReply: false,
        cacheControl: false,
        dotfiles: 'deny',
        preCompressed: true,
        // A file's name under `assets` says its content; the page itself says which of them are valid now.
        setHeaders: (reply, path) => {
          reply.header('cache-control', path.startsWith(join(root, 'assets')) ? hashedFor : 'no-cache')
        },
      })
      return
    }
    scope.get(`/${name}/*`, async (_, reply) => {
      reply.code(404).type('text/plain; charset=utf-8').header('cache-control', 'no-store')
      return `The ${name} page has not been built: run "npm run build" in the checkout, then start this node again.\n`
    })
  })
  return there
}
