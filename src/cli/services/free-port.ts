import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections and to whoever asks for any port (Linux: from 32768 on, others:
 * from 49152 on): those would take one that is free now before its server listens.
 */
const range = { from: 20_000, to: 32_000 } as const
const triesAtMost = 200

/** A TCP port nobody listens on at this moment, by chance: whoever else looks for one at the same time finds another. */
export async function freePort(): Promise<number> {
  for (let i = 0; i < triesAtMost; i++) {
    const port = randomInt(range.from, range.to)
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${triesAtMost} ports of 127.0.0.1 is free`)
}

/** Whether somebody could listen on it now. @throws the system's error, where it is not that somebody does */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
