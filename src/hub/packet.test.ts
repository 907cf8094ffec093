import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { Packet } from './packet.ts'

// The library's own reader of frames; its types do not name it.
const { Receiver } = createRequire(import.meta.url)('ws') as {
  Receiver: new (options: { isServer: boolean }) => NodeJS.WritableStream
}

/** Lets the ws library read a frame as a client would. */
function read(frame: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const receiver = new Receiver({ isServer: false })
    receiver.on('message', (data: Buffer, binary: boolean) => {
      if (binary) reject(new Error('a binary frame'))
      else resolve(data.toString())
    })
    receiver.on('error', reject)
    receiver.write(frame)
  })
}

describe('a packet', () => {
  it.each([0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 200_000])(
    'of %i bytes is one text frame',
    async size => {
      const packet = Packet.of(['x'.repeat(size)])
      expect(await read(packet.frame)).toBe('x'.repeat(size))
      expect(packet.payload.toString()).toBe('x'.repeat(size))
    },
  )

  it('joins strings and buffers by newlines, whatever their characters', async () => {
    const packet = Packet.of(['{"a":"ü✓🙂"}', Buffer.from('{"b":1}\n{"c":2}'), '{}'], 4)
    expect(await read(packet.frame)).toBe('{"a":"ü✓🙂"}\n{"b":1}\n{"c":2}\n{}')
    expect(packet.messages).toBe(4)
    expect(packet.frame.subarray(-packet.payload.length)).toEqual(packet.payload)
  })
})
