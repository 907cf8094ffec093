import type { Negotiation } from './contract.ts'
import { type Other, Peer, type PeerOptions } from './peer.ts'

/** What is seen of another tab. */
export interface Seen {
  readonly tab: string
  readonly stream: MediaStream
  readonly connected: boolean
}

export interface CallOptions extends PeerOptions {
  readonly onChange: (seen: readonly Seen[]) => void
}

/** A picture goes to everyone from everyone, so a large meeting would need a server for that. */
const mostPeers = 8
const lookEveryMs = 1_000
/** Who has spoken to us is there, whether or not we were told already. */
const heardForMs = 16_000

/**
 * Video from each to each. Holdfast carries only the words by which two browsers find each other; what they show then goes
 * between them, also while the server is away. So whoever is gone from the room stays as long as the picture does: the
 * server may only have lost sight of them.
 */
export class Call {
  readonly #options: CallOptions
  readonly #peers = new Map<string, Peer>()
  #present: ReadonlyMap<string, Other> = new Map()
  #told: readonly Seen[] | undefined
  readonly #timer: ReturnType<typeof setInterval>

  constructor(options: CallOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      for (const peer of this.#peers.values()) this.#wait(peer.look())
      this.#tidy()
    }, lookEveryMs)
  }

  /** Who is in the room by now, without us. */
  present(others: readonly Other[]): void {
    const before = this.#present
    this.#present = new Map(others.map(other => [other.tab, other]))
    // Gone, and not only unknown yet.
    for (const [tab, peer] of this.#peers) if (before.has(tab) && !this.#present.has(tab)) peer.heard = 0
    for (const other of others) this.#wait(this.#peer(other)?.look())
    this.#tidy()
  }

  /** Somebody has said something to us. */
  hear(from: Other, word: Negotiation): void {
    if ('bye' in word) this.#close(from.tab)
    else this.#wait(this.#peer(from, Date.now())?.hear(word))
  }

  close(): void {
    clearInterval(this.#timer)
    for (const [tab, peer] of this.#peers) {
      peer.say({ bye: true })
      peer.close()
      this.#peers.delete(tab)
    }
  }

  #peer(other: Other, heard = 0): Peer | undefined {
    const known = this.#peers.get(other.tab)
    if (!known && this.#peers.size >= mostPeers) return undefined
    const peer = known ?? new Peer(other, this.#options, () => this.#tidy())
    peer.other = other
    peer.heard = Math.max(peer.heard, heard)
    this.#peers.set(other.tab, peer)
    return peer
  }

  #tidy(): void {
    const since = Date.now() - heardForMs
    for (const [tab, peer] of this.#peers) {
      if (peer.connected || this.#present.has(tab) || peer.heard > since) continue
      peer.close()
      this.#peers.delete(tab)
    }
    const seen = [...this.#peers].map(([tab, { stream, connected }]) => ({ tab, stream, connected }))
    if (this.#told && sameSeen(seen, this.#told)) return
    this.#told = seen
    this.#options.onChange(seen)
  }

  /** What fails, as it does where a connection was closed meanwhile, is an attempt that leads nowhere: see `Peer`. */
  #wait(step: Promise<void> | undefined): void {
    step?.catch(() => undefined)
  }

  #close(tab: string): void {
    this.#peers.get(tab)?.close()
    if (this.#peers.delete(tab)) this.#tidy()
  }
}

function sameSeen(seen: readonly Seen[], told: readonly Seen[]): boolean {
  return (
    seen.length === told.length &&
    seen.every(({ tab, stream, connected }, index) => {
      const before = told[index]
      return tab === before?.tab && stream === before.stream && connected === before.connected
    })
  )
}
