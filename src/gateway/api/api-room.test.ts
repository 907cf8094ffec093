import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { LimitCounts } from '../limit-counts.ts'
import { ApiRoom } from './api-room.ts'

const close: (() => void)[] = []
afterEach(() => {
  for (const each of close.splice(0)) each()
})

it('cuts a caller that takes nothing of its answer, and has room for others then', async () => {
  const room = new ApiRoom({ maxApiRequests: 1, maxApiBytes: 65_536 }, 1_024, new LimitCounts(), 500)
  const server = createServer((request, response) => {
    if (room.take(request, response))
      response.end(request.url === '/large' ? Buffer.alloc(50_000_000) : 'small')
    else response.writeHead(503).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const unread = connect(port, '127.0.0.1').pause()
  unread.on('error', () => undefined)
  close.push(() => {
    unread.destroy()
    server.closeAllConnections()
    server.close()
  })
  unread.write('POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
  const status = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })
    await response.arrayBuffer()
    return response.status
  }
  await until('the unread one is in', async () => (await status()) === 503)
  await until('there is room again', async () => (await status()) === 200)
})
