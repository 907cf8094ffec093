import { Centrifuge, type Options, type PublicationContext } from 'centrifuge'
import { codes } from './errors.ts'
import { endpoints, type Rotation, rotation, type SocketConstructor } from './rotation.ts'

/** A publication as the SDK hands it on, with the time that the server put on it. */
export interface TimedPublication extends PublicationContext {
  /** Milliseconds since 1970. */
  time?: number
}

export interface Connection {
  readonly sdk: Centrifuge
  /** The address of the last attempt. */
  readonly url: string
  /**
   * A call had no reply in time. Asks the server for any reply at all; without one the connection is taken for dead
   * and replaced, long before a missing ping would show it.
   */
  probe(): void
}

/** @throws TypeError for wrong addresses, and where there is no WebSocket */
export function openConnection(
  url: string | readonly string[],
  implementation: SocketConstructor | undefined,
  options: Partial<Options>,
): Connection {
  const found = implementation ?? (globalThis.WebSocket as SocketConstructor | undefined)
  if (!found) throw new TypeError('there is no global WebSocket; give one as the option `websocket`')
  const urls = endpoints(url)
  const turns = rotation(urls, found)
  const sdk = new Centrifuge(urls[0] ?? '', { ...options, websocket: turns.websocket })
  keepTimes(sdk)
  return {
    sdk,
    get url() {
      return turns.url
    },
    probe: probing(sdk, turns),
  }
}

function probing(sdk: Centrifuge, turns: Rotation): () => void {
  let asking = false
  return () => {
    if (asking || sdk.state !== 'connected') return
    asking = true
    // No such method: the refusal is the reply that is wanted.
    sdk.rpc('holdfast.ping', {}).then(
      () => (asking = false),
      (error: { code?: number }) => {
        asking = false
        if (error.code === codes.timeout && sdk.state === 'connected') turns.abandon()
      },
    )
  }
}

/**
 * The SDK leaves a publication's `time` out of what it hands on, in pushes and in history alike, and offers no
 * other way to it. Should a later SDK no longer ask here, times are missing and nothing else; a test tells.
 */
function keepTimes(sdk: Centrifuge): void {
  type Make = (channel: string, publication: { time?: number }) => TimedPublication
  const inner = sdk as unknown as { _getPublicationContext?: Make }
  const make = inner._getPublicationContext
  if (!make) return
  inner._getPublicationContext = (channel, publication) => {
    const context = make.call(sdk, channel, publication)
    if (publication.time !== undefined) context.time = publication.time
    return context
  }
}
