import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Contract, Holdfast, HoldfastOptions } from '../app/index.ts'

/** A node in this process, on a port of its own. */
export interface TestNode<C extends Contract = Contract> {
  readonly hf: Holdfast<C>
  readonly port: number
  /** For `createClient`, and for official SDKs with `/connection/websocket` behind it. */
  readonly url: string
  /** For the HTTP API, and health. */
  readonly http: string
  /** Calls the HTTP API. @throws Error with its `code` where it refuses */
  api<T = unknown>(method: string, body: unknown): Promise<T>
  /** Cuts all connections. */
  drop(): void
  /** `shut`: cuts all connections, and each that comes. */
  gate(state: 'open' | 'shut'): void
  /** Whether it reaches all that it needs. */
  healthy(): Promise<boolean>
  close(): Promise<void>
}

export async function startTestNode<C extends Contract>({
  options,
  setup,
}: {
  readonly options: HoldfastOptions<C>
  readonly setup: (hf: Holdfast<C>) => unknown
}): Promise<TestNode<C>> {
  const { createHoldfast } = await import('../app/index.ts')
  const hf = await createHoldfast<C>(options)
  const sockets = new Set<Socket>()
  let shut = false
  const server = createServer()
  server.on('connection', socket => {
    if (shut) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async () => {
    await hf.close()
    drop()
    server.close()
  }
  try {
    await setup(hf)
    hf.attach(server)
    if (options.postgres?.url !== undefined) await hf.work()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
  } catch (error) {
    await close()
    throw error
  }
  const { port } = server.address() as AddressInfo
  const http = `http://127.0.0.1:${port}`
  return {
    hf,
    port,
    url: `ws://127.0.0.1:${port}`,
    http,
    async api<T>(method: string, body: unknown) {
      const response = await fetch(`${http}/api/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': hf.config.api.key ?? '' },
        body: JSON.stringify(body),
      })
      const answer = (await response.json()) as { result?: T; error?: { code: number; message: string } }
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code })
      return answer.result as T
    },
    drop,
    gate(state) {
      shut = state === 'shut'
      if (shut) drop()
    },
    async healthy() {
      const answer = await fetch(`${http}/health/ready`).catch(() => undefined)
      const health = (await answer?.json().catch(() => undefined)) as { status?: string } | undefined
      return health?.status === 'ready'
    },
    close,
  }
}
