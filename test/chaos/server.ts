import { once } from 'node:events'
import type { LocalRedis } from '../../src/cli/services/local-redis.ts'
import { family, signal } from '../bootstrap/processes.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import type { Keeper } from './keeper.ts'
import type { Dependency } from './types.ts'

/** A server of the stage, at an address that stays, behind a proxy, to which everything may be done. */
export async function startServer(options: {
  keeper: Keeper
  random: () => number
  start(port: number | undefined, flags: readonly string[]): Promise<LocalRedis & { directory: string }>
}): Promise<Dependency & { close(): Promise<void> }> {
  const { keeper, random } = options
  const start = async (port?: number, flags: readonly string[] = []) => {
    const started = await options.start(port, flags)
    const pid = started.process.pid ?? 0
    keeper.process(pid)
    started.process.once('exit', () => keeper.gone(pid))
    return started
  }
  let server = await start()
  const directUrl = server.url
  const proxy = await tcpProxy(directUrl, random)
  let paused: readonly number[] = []
  const goOn = () => {
    for (const pid of paused) {
      keeper.gone(pid)
      signal(pid, 'SIGCONT')
    }
    paused = []
    if (running()) keeper.process(server.process.pid ?? 0)
  }
  const running = () => server.process.exitCode === null && server.process.signalCode === null
  return {
    url: proxy.through(directUrl),
    directUrl,
    proxy,
    directory: server.directory,
    get pid() {
      return server.process.pid ?? 0
    },
    async kill() {
      if (!running()) return
      const ended = once(server.process, 'exit')
      server.process.kill('SIGKILL')
      await ended
      // What belongs to it ends too, and could not while it stands still.
      goOn()
    },
    async stop() {
      goOn()
      await server.stop()
    },
    pause() {
      const pid = server.process.pid ?? 0
      paused = process.platform === 'linux' ? family(pid).map(each => each.pid) : [pid]
      for (const each of paused) {
        keeper.process(each)
        signal(each, 'SIGSTOP')
      }
    },
    goOn,
    async startAgain(flags) {
      server = await start(Number(new URL(directUrl).port), flags)
    },
    async close() {
      goOn()
      await server.stop()
      await proxy.close()
    },
  }
}
