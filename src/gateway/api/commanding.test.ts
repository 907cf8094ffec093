import { expect, it } from 'vitest'
import { MemoryRouter } from '../../../test/support/gateway.ts'
import { createLogger, parseConfig } from '../../platform/index.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { createHttpServer } from '../http-server.ts'
import type { CommandRunner } from '../types.ts'
import { createHttpApi } from './http-api.ts'

it('a command is told that its caller has gone, so that nothing is begun for nobody', async () => {
  const began = Promise.withResolvers<void>()
  const left = Promise.withResolvers<unknown>()
  const run: CommandRunner['run'] = async ({ wanted }) => {
    wanted?.()
    began.resolve()
    for (;;) {
      await new Promise(resolve => setImmediate(resolve))
      try {
        wanted?.()
      } catch (error) {
        left.resolve(error)
        throw error
      }
    }
  }
  const config = parseConfig({ api: { key: 'k' }, namespaces: { order: { tier: 'durable' } } })
  const api = createHttpApi({
    config,
    router: new MemoryRouter(config.namespaces),
    // No command asks other nodes.
    cluster: {} as Cluster,
    health: () => ({ status: 'ready' }) as never,
    logger: createLogger('silent'),
    commands: { run },
  })
  const server = createHttpServer({ api, handleUpgrade: (_, socket) => socket.destroy() })
  const { port } = await server.listen('127.0.0.1', 0)
  const caller = new AbortController()
  const request = fetch(`http://127.0.0.1:${port}/api/command`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': 'k' },
    body: JSON.stringify({ channel: 'order:1', command: 'pay' }),
    signal: caller.signal,
  })
  await began.promise
  caller.abort()
  await expect(request).rejects.toThrow()
  expect(await left.promise).toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
  await server.close(100)
})
