import { expect, it } from 'vitest'
import { httpAddress, socketAddress } from './connection.ts'

it.each([
  [
    'ws://localhost:8001/connection/websocket',
    'http://localhost:8001',
    'ws://localhost:8001/connection/websocket',
  ],
  ['ws://localhost:8001', 'http://localhost:8001', 'ws://localhost:8001/connection/websocket'],
  ['localhost:8001', 'http://localhost:8001', 'ws://localhost:8001/connection/websocket'],
  ['https://rt.example', 'https://rt.example', 'wss://rt.example/connection/websocket'],
  ['wss://rt.example/live/socket', 'https://rt.example', 'wss://rt.example/live/socket'],
])('%s is an address for the API and for sockets', (given, http, socket) => {
  expect(httpAddress(given)).toBe(http)
  expect(socketAddress(given)).toBe(socket)
})

it('is this machine’s first node where none is given', () => {
  expect(httpAddress(undefined, {})).toBe('http://localhost:8000')
  expect(httpAddress(undefined, { HOLDFAST_PORT: '9000' })).toBe('http://localhost:9000')
})

it('refuses what is no address', () => {
  expect(() => httpAddress('ws://')).toThrow('expected an address')
})
