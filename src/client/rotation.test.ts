import { describe, expect, it } from 'vitest'
import { endpoints, rotation } from './rotation.ts'

class TestSocket {
  onclose: ((event: { code: number }) => void) | null = null
  closed = false
  readonly url: string
  constructor(url: string) {
    this.url = url
  }
  close() {
    this.closed = true
  }
}

describe('a client of several nodes', () => {
  it('takes the next address with each attempt', () => {
    const turns = rotation(['ws://a', 'ws://b'], TestSocket)
    const opened = [1, 2, 3].map(() => (new turns.websocket('ignored') as TestSocket).url)
    expect(opened).toEqual(['ws://a', 'ws://b', 'ws://a'])
    expect(turns.url).toBe('ws://a')
  })

  it('gives up a socket without waiting for its peer, and tells its end once', () => {
    const turns = rotation(['ws://a'], TestSocket)
    const socket = new turns.websocket('ignored') as TestSocket
    const codes: number[] = []
    socket.onclose = ({ code }) => codes.push(code)
    turns.abandon()
    turns.abandon()
    socket.onclose?.({ code: 1000 })
    expect(socket.closed).toBe(true)
    expect(codes).toEqual([1006])
  })
})

describe('an address', () => {
  it('gets the scheme and the path that the server listens on', () => {
    expect(endpoints('http://localhost:8000')).toEqual(['ws://localhost:8000/connection/websocket'])
    expect(endpoints(['https://a.example', 'wss://b.example/own?x=1'])).toEqual([
      'wss://a.example/connection/websocket',
      'wss://b.example/own?x=1',
    ])
  })

  it('that cannot work is refused at once', () => {
    expect(() => endpoints([])).toThrow(TypeError)
    expect(() => endpoints('localhost')).toThrow(TypeError)
    expect(() => endpoints('ftp://localhost')).toThrow(/ws, wss, http or https/)
  })
})
