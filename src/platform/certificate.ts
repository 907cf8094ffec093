import { connect as connectPlain } from 'node:net'
import { connect, type PeerCertificate, TLSSocket } from 'node:tls'

/** How many seconds the certificate is still valid that an open connection's peer has shown; undefined where it has shown none. */
export function certificateSeconds(stream: unknown): number | undefined {
  if (!(stream instanceof TLSSocket)) return undefined
  // Null, whatever its type says, once the connection is gone.
  const shown: PeerCertificate | null = stream.getPeerCertificate()
  const until = shown?.valid_to
  return until === undefined ? undefined : (Date.parse(until) - Date.now()) / 1_000
}

/** Postgres: what asks whether the server speaks TLS, before anything else is said. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const patienceMs = 3_000

/**
 * The same of the server behind a Postgres URL, by a handshake of its own: the driver does not show its sockets. Nothing
 * is sent behind the handshake, so whom it shows is not judged here. Undefined where the URL asks for no TLS, or the
 * server has none.
 */
export async function postgresCertificateSeconds(url: string): Promise<number | undefined> {
  const { hostname, port, searchParams } = new URL(url)
  const mode = searchParams.get('sslmode') ?? searchParams.get('ssl')
  if (mode === null || ['disable', 'false', 'allow'].includes(mode) || hostname === '') return undefined
  const host = hostname.replace(/^\[|\]$/g, '')
  const plain = connectPlain({ host, port: Number(port || 5432) })
  const signal = AbortSignal.timeout(patienceMs)
  try {
    const answer = await once<Buffer>(signal, (resolve, reject) => {
      plain.once('error', reject)
      plain.once('data', resolve)
      plain.once('close', () => reject(new Error('the connection was closed')))
      plain.write(sslRequest)
    })
    if (answer.toString('latin1', 0, 1) !== 'S') return undefined
    const secure = connect({
      socket: plain,
      servername: /^[\d.:]+$/.test(host) ? '' : host,
      rejectUnauthorized: false,
    })
    await once<void>(signal, (resolve, reject) => {
      secure.once('error', reject)
      secure.once('secureConnect', resolve)
    })
    return certificateSeconds(secure)
  } finally {
    plain.destroy()
  }
}

function once<T>(
  signal: AbortSignal,
  listen: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('no answer in time')))
    listen(resolve, reject)
  })
}
