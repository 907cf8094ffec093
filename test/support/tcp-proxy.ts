import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  /** `url` with the proxy's address instead of its own. */
  through(url: string): string
  /** From now on every answer is lost: when the server says something, both sides are cut. */
  loseAnswers(): void
  answerAgain(): void
  /** The connections of this moment pass nothing on any more and stay open; new ones are not concerned. */
  freeze(): void
  /** How many answers were lost. */
  lost(): number
  close(): Promise<void>
}

/** A proxy in front of a TCP server that can do to a connection what networks do. */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<{ client: Socket; server: Socket; frozen: boolean }>()
  let losing = false
  let lost = 0
  const listener = createServer({ allowHalfOpen: false }, client => {
    const server = connect(Number(port), hostname)
    const pair = { client, server, frozen: false }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('close', end).on('error', end)
    client.on('data', chunk => {
      if (!pair.frozen) server.write(chunk)
    })
    server.on('data', chunk => {
      if (pair.frozen) return
      if (!losing) return client.write(chunk)
      lost++
      end()
    })
  })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  return {
    through(url) {
      const changed = new URL(url)
      changed.host = `127.0.0.1:${address.port}`
      return changed.href
    },
    loseAnswers() {
      losing = true
    },
    answerAgain() {
      losing = false
    },
    freeze() {
      for (const pair of pairs) pair.frozen = true
    },
    lost: () => lost,
    async close() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      await new Promise(resolve => listener.close(resolve))
    },
  }
}
