import type { Negotiation } from './contract.ts'

/** A tab in the room that is not ours, and the connection that reaches it now. */
export interface Other {
  readonly tab: string
  readonly client: string
}

/** What is seen of another tab. */
export interface Seen {
  readonly tab: string
  readonly stream: MediaStream
  readonly connected: boolean
}

export interface CallOptions {
  readonly tab: string
  readonly stream: MediaStream
  /** Carries a word to one connection, and may lose it. */
  readonly send: (to: Other, word: Negotiation) => void
  readonly onChange: (seen: readonly Seen[]) => void
}

/** A picture goes to everyone from everyone, so a large meeting would need a server for that. */
const mostPeers = 8
const lookEveryMs = 4_000
/** Who has spoken to us is there, whether or not we were told already. */
const heardForMs = 15_000

/**
 * Video from each to each. Holdfast carries only the words by which two browsers find each other; what they show then goes
 * between them, also while the server is away. So whoever is gone from the room stays as long as the picture does: the
 * server may only have lost sight of them.
 */
export class Call {
  readonly #options: CallOptions
  readonly #peers = new Map<string, Peer>()
  #present: ReadonlyMap<string, Other> = new Map()
  readonly #timer: ReturnType<typeof setInterval>

  constructor(options: CallOptions) {
    this.#options = options
    // Words may be lost on the way. Whoever is not seen after a while is tried again.
    this.#timer = setInterval(() => {
      for (const peer of this.#peers.values()) peer.tryAgain()
      this.#tidy()
    }, lookEveryMs)
  }

  /** Who is in the room by now, without us. */
  present(others: readonly Other[]): void {
    const before = this.#present
    this.#present = new Map(others.map(other => [other.tab, other]))
    // Gone, and not only unknown yet.
    for (const [tab, peer] of this.#peers) if (before.has(tab) && !this.#present.has(tab)) peer.heard = 0
    for (const other of others) this.#peer(other)
    this.#tidy()
  }

  /** Somebody has said something to us. */
  async hear(from: Other, word: Negotiation): Promise<void> {
    if ('bye' in word) return this.#close(from.tab)
    const peer = this.#peer(from, Date.now())
    if ('candidate' in word) return peer?.tryWay(word.candidate)
    const { description } = word
    const fits = await peer?.hear(description)
    if (fits !== false || description.type !== 'offer') return
    // The other side has begun anew, and what it offers does not fit to what was said before.
    this.#close(from.tab)
    await this.#peer(from, Date.now())?.hear(description)
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
    this.#options.onChange(
      [...this.#peers].map(([tab, { stream, connected }]) => ({ tab, stream, connected })),
    )
  }

  #close(tab: string): void {
    this.#peers.get(tab)?.close()
    if (this.#peers.delete(tab)) this.#tidy()
  }
}

/** One connection, made by the pattern that MDN calls perfect negotiation: where both offer at once, one gives way. */
class Peer {
  other: Other
  /** When they last said something to us. */
  heard = 0
  readonly stream = new MediaStream()
  readonly #options: CallOptions
  readonly #rtc = new RTCPeerConnection()
  #offering = false
  #waited = false

  constructor(other: Other, options: CallOptions, onChange: () => void) {
    this.other = other
    this.#options = options
    const rtc = this.#rtc
    rtc.onnegotiationneeded = async () => {
      this.#offering = true
      try {
        await rtc.setLocalDescription()
        if (rtc.localDescription) this.say({ description: rtc.localDescription.toJSON() })
      } catch {
        // It was closed meanwhile, or is tried again.
      } finally {
        this.#offering = false
      }
    }
    rtc.onicecandidate = ({ candidate }) => candidate && this.say({ candidate: candidate.toJSON() })
    rtc.ontrack = ({ track }) => {
      this.stream.addTrack(track)
      onChange()
    }
    rtc.onconnectionstatechange = onChange
    for (const track of options.stream.getTracks()) rtc.addTrack(track, options.stream)
  }

  get connected(): boolean {
    return this.#rtc.connectionState === 'connected'
  }

  get #polite(): boolean {
    return this.#options.tab < this.other.tab
  }

  say(word: Negotiation): void {
    this.#options.send(this.other, word)
  }

  /** A way by which they may be reached. One that belongs to an offer which we did not take leads nowhere. */
  async tryWay(candidate: RTCIceCandidateInit): Promise<void> {
    await this.#rtc.addIceCandidate(candidate).catch(() => undefined)
  }

  /** False: it does not fit to what was said before. */
  async hear(description: RTCSessionDescriptionInit): Promise<boolean> {
    const rtc = this.#rtc
    const isOffer = description.type === 'offer'
    const collision = isOffer && (this.#offering || rtc.signalingState !== 'stable')
    if (collision && !this.#polite) {
      // They may not have heard what we offered, as before their camera was there.
      this.#sayAgain()
      return true
    }
    if (!isOffer && rtc.signalingState !== 'have-local-offer') return true
    try {
      await rtc.setRemoteDescription(description)
      if (!isOffer) return true
      await rtc.setLocalDescription()
      if (rtc.localDescription) this.say({ description: rtc.localDescription.toJSON() })
      return true
    } catch {
      return rtc.signalingState === 'closed'
    }
  }

  /** From the side that does not give way, so that two tries do not meet for ever. */
  tryAgain(): void {
    const waited = this.#waited
    this.#waited = !this.connected
    if (!waited || this.connected || this.#polite) return
    if (!this.#sayAgain()) this.#rtc.restartIce()
  }

  /** Says again what we offered, with all that is known by now. False: nothing is on offer. */
  #sayAgain(): boolean {
    const { signalingState, localDescription } = this.#rtc
    if (signalingState !== 'have-local-offer' || !localDescription) return false
    this.say({ description: localDescription.toJSON() })
    return true
  }

  close(): void {
    this.#rtc.close()
  }
}
