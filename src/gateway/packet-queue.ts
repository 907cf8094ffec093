import type { Packet } from '../hub/index.ts'

/** Whose packets these are: once it has ended, those still waiting are not sent any more. */
export interface PacketOwner {
  readonly ended: boolean
}

interface Link {
  readonly packet: Packet
  readonly owner: PacketOwner | undefined
  next: Link | undefined
}

/**
 * One lane of a mailbox. Linked, because most lanes hold nothing or one packet at a time, and an array would be
 * made anew and thrown away at every turn of every socket.
 */
export class PacketQueue {
  #head: Link | undefined
  #tail: Link | undefined
  #unwanted = false

  get isEmpty(): boolean {
    return this.#head === undefined
  }

  push(packet: Packet, owner: PacketOwner | undefined): void {
    const link: Link = { packet, owner, next: undefined }
    if (this.#tail) this.#tail.next = link
    else this.#head = link
    this.#tail = link
  }

  /** Takes the first packet out; undefined where there is none. */
  take(): Packet | undefined {
    const link = this.#head
    if (!link) return undefined
    this.#head = link.next
    if (!link.next) this.#tail = undefined
    this.#unwanted = link.owner?.ended === true
    return link.packet
  }

  /** Whether the owner of what was taken last has ended: it is not to be sent. */
  get unwanted(): boolean {
    return this.#unwanted
  }

  /** Returns how many messages were in it. */
  clear(): number {
    let messages = 0
    for (let link = this.#head; link; link = link.next) messages += link.packet.messages
    this.#head = undefined
    this.#tail = undefined
    return messages
  }
}
