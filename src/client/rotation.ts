/** What this client needs of a WebSocket; browsers, Node ≥ 22 and the `ws` package all have it. */
export interface Socket {
  onclose: ((event: { code: number; reason: string }) => void) | null
  close(): void
}

export type SocketConstructor = new (url: string, protocols?: string | string[]) => unknown

export interface Rotation {
  /** To be given to the SDK as its WebSocket: every attempt to connect goes to the next address. */
  readonly websocket: SocketConstructor
  /** Where the last attempt went. */
  readonly url: string
  /**
   * Gives the current socket up without waiting for a closing handshake, which a dead peer never answers; the SDK
   * then reconnects as after any lost connection.
   */
  abandon(): void
}

/**
 * The SDK's own list of endpoints is for falling back between transports: it stays with the first that ever worked.
 * Here each new attempt takes the next address, so a client leaves a node that died, froze or is shutting down.
 */
export function rotation(urls: readonly string[], implementation: SocketConstructor): Rotation {
  let attempts = 0
  let socket: Socket | undefined
  function Next(_url: string, protocols?: string | string[]): object {
    const url = urls[attempts++ % urls.length] ?? ''
    const made = protocols === undefined ? new implementation(url) : new implementation(url, protocols)
    socket = made as Socket
    return socket
  }
  return {
    websocket: Next as unknown as SocketConstructor,
    get url() {
      return urls[Math.max(0, attempts - 1) % urls.length] ?? ''
    },
    abandon() {
      const told = socket?.onclose
      if (!socket || !told) return
      socket.onclose = null
      socket.close()
      told.call(socket, { code: 1006, reason: '' })
    },
  }
}

/**
 * Addresses as people write them: `http` becomes `ws`, and an address without a path gets the server's.
 * @throws TypeError for what is no URL, and for an empty list
 */
export function endpoints(url: string | readonly string[]): readonly string[] {
  const list = typeof url === 'string' ? [url] : url
  if (list.length === 0) throw new TypeError('expected at least one url, got an empty list')
  return list.map(each => {
    const parsed = new URL(each)
    parsed.protocol = parsed.protocol.replace(/^http/, 'ws')
    if (!/^wss?:$/.test(parsed.protocol))
      throw new TypeError(`expected a ws, wss, http or https url, got ${each}`)
    if (parsed.pathname === '/') parsed.pathname = '/connection/websocket'
    return parsed.href
  })
}
