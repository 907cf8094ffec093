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

  get isEmpty(): boolean {
    return this.#head === undefined
  }

  push(packet: Packet, owner: PacketOwner | undefined): void {
    const link: Link = { packet, owner, next: undefined }
    if (this.#tail) this.#tail.next = link
    else this.#head = link
    this.#tail = link
  }

  /** Takes the first packet out. `dropped`: its owner has ended. Undefined where there is none. */
  take(): Packet | 'dropped' | undefined {
    const link = this.#head
    if (!link) return undefined
    this.#head = link.next
    if (!link.next) this.#tail = undefined
    return link.owner?.ended ? 'dropped' : link.packet
  }

  clear(): void {
    this.#head = undefined
    this.#tail = undefined
  }
}
