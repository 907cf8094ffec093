// How the load side speaks to each server it measures.
import { maskedText, plainText } from './frames.ts'
import { RawSocket } from './raw-socket.ts'

export type DialectName = 'holdfast' | 'naive' | 'bare'

export interface Dialect {
  /** A connection that is ready to publish. */
  connect(port: number): Promise<RawSocket>
  /** Turns a connection into a subscriber of the room; resolves when the server has confirmed it. */
  subscribe(socket: RawSocket, room: string): Promise<void>
  /** Bytes that publish these JSON texts into the room, written at once. */
  publish(room: string, texts: readonly string[], firstId: number): Buffer
}

const holdfast: Dialect = {
  async connect(port) {
    const socket = await RawSocket.open({ port, path: '/connection/websocket' })
    socket.send('{"id":1,"connect":{}}')
    await reply(socket, 1)
    return socket
  },
  async subscribe(socket, room) {
    socket.send(`{"id":2,"subscribe":{"channel":"load:${room}"}}`)
    await reply(socket, 2)
  },
  publish(room, texts, firstId) {
    const line = (data: string, i: number) =>
      `{"id":${firstId + i},"publish":{"channel":"load:${room}","data":${data}}}`
    return maskedText(texts.map(line).join('\n'))
  },
}

const naive: Dialect = {
  connect: port => RawSocket.open({ port, path: '/' }),
  async subscribe(socket, room) {
    socket.send(JSON.stringify({ type: 'subscribe', room }))
    await socket.next()
  },
  publish(room, texts) {
    return Buffer.concat(texts.map(data => maskedText(`{"type":"publish","room":"${room}","data":${data}}`)))
  },
}

/** Stands for what a Holdfast node would have prepared, to the byte. */
const anyClient = '00000000-0000-4000-8000-000000000000'

const bare: Dialect = {
  connect: port => RawSocket.open({ port, path: '', bare: 'p' }),
  async subscribe(socket) {
    socket.write(Buffer.from('s'))
    await socket.next()
  },
  publish(room, texts) {
    const line = (data: string) =>
      `{"push":{"channel":"load:${room}","pub":{"data":${data},"info":{"client":"${anyClient}"}}}}`
    return plainText(texts.map(line).join('\n'))
  },
}

export const dialects: Readonly<Record<DialectName, Dialect>> = { holdfast, naive, bare }

/** Waits for the reply to a command. Throws where it is an error. */
export async function reply(socket: RawSocket, id: number): Promise<string> {
  for (;;) {
    const lines = (await socket.next()).split('\n')
    const line = lines.find(text => text.startsWith(`{"id":${id},`))
    if (line?.startsWith(`{"id":${id},"error"`)) throw new Error(`the server refused: ${line}`)
    if (line) return line
  }
}
