import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, it } from 'vitest'
import { selfSigned } from '../../test/support/certificate.ts'
import { tlsPostgres } from '../../test/support/tls-postgres.ts'
import { certificateSeconds, postgresCertificateSeconds } from './certificate.ts'

const { cert, key } = selfSigned('db.test')
/** As `selfSigned` has it. */
const until2099 = (Date.parse('2099-01-01T00:00:00Z') - Date.now()) / 1_000
const open: { close(): unknown }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

async function listening(answer: 'S' | 'N' | undefined): Promise<string> {
  const server = await tlsPostgres(answer)
  open.push(server)
  return server.url
}

it('says how long the certificate of a Postgres is valid, by a handshake of its own', async () => {
  const url = await listening('S')
  const seconds = await postgresCertificateSeconds(`${url}?sslmode=require`)
  expect(Math.abs((seconds ?? 0) - until2099)).toBeLessThan(120)
})

it('says nothing where no TLS is asked for or spoken, and gives up where nobody answers', async () => {
  expect(await postgresCertificateSeconds(await listening('S'))).toBeUndefined()
  expect(await postgresCertificateSeconds(`${await listening('S')}?sslmode=disable`)).toBeUndefined()
  expect(await postgresCertificateSeconds(`${await listening('N')}?sslmode=prefer`)).toBeUndefined()
  const silent = await listening(undefined)
  await expect(postgresCertificateSeconds(`${silent}?sslmode=require`)).rejects.toThrow('no answer in time')
}, 20_000)

it('reads what the peer of a connection has shown, and of a plain one nothing', async () => {
  const server = createTlsServer({ cert, key }).listen(0, '127.0.0.1')
  open.push(server)
  await once(server, 'listening')
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  expect(Math.abs((certificateSeconds(socket) ?? 0) - until2099)).toBeLessThan(120)
  socket.destroy()
  expect(certificateSeconds(socket)).toBeUndefined()
  expect(certificateSeconds({})).toBeUndefined()
})
