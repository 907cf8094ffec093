import type { Negotiation } from './contract.ts'

/** A tab in the room that is not ours, and the connection that reaches it now. */
export interface Other {
  readonly tab: string
  readonly client: string
}

export interface PeerOptions {
  /** Ours. */
  readonly tab: string
  readonly stream: MediaStream
  /** Carries a word to one connection, and may lose it. */
  readonly send: (to: Other, word: Negotiation) => void
}

/** How long an attempt may take, first and at most. */
const leastPatienceMs = 4_000
const mostPatienceMs = 12_000

/**
 * What is between us and one other tab. Of the two, always the same one offers, so that offers never meet: where they do, one
 * has to be taken back, and after that a browser may never look for ways again. The other one asks for an offer. Each attempt
 * has a connection and a number of its own; one that leads nowhere, whatever was lost, is not mended but followed by the next.
 */
export class Peer {
  other: Other
  /** When they last said something to us. */
  heard = 0
  stream = new MediaStream()
  readonly #options: PeerOptions
  readonly #onChange: () => void
  #rtc: RTCPeerConnection | undefined
  /** The offering side's clock: greater each time, also when its page has forgotten the last one. */
  #attempt = 0
  #failures = 0
  #patientUntil = 0

  constructor(other: Other, options: PeerOptions, onChange: () => void) {
    this.other = other
    this.#options = options
    this.#onChange = onChange
  }

  get connected(): boolean {
    return this.#rtc?.connectionState === 'connected'
  }

  get #offers(): boolean {
    return this.#options.tab > this.other.tab
  }

  say(word: Negotiation): void {
    this.#options.send(this.other, word)
  }

  /** Begins, and begins anew where we have waited long enough. */
  async look(): Promise<void> {
    if (this.connected) {
      // Where the way is lost for a moment, it comes back by itself.
      this.#failures = 0
      this.#patientUntil = Date.now() + leastPatienceMs
    }
    if (Date.now() < this.#patientUntil) return
    if (this.#offers) return this.#offer()
    this.#bePatient()
    this.say({ wanted: this.#attempt })
  }

  async hear(word: Exclude<Negotiation, { readonly bye: true }>): Promise<void> {
    if ('wanted' in word) {
      // Said before they saw us, and heard after it, it has nothing to say any more.
      const late = this.connected && word.wanted !== this.#attempt
      if (this.#offers && !late) await this.#offer()
    } else if ('offer' in word) {
      if (!this.#offers && word.attempt > this.#attempt) await this.#answer(word.attempt, word.offer)
    } else if (word.attempt === this.#attempt) {
      if ('answer' in word) await this.#rtc?.setRemoteDescription(word.answer)
      else await this.#rtc?.addIceCandidate(word.candidate)
    }
  }

  async #offer(): Promise<void> {
    const attempt = Math.max(Date.now(), this.#attempt + 1)
    const rtc = this.#begin(attempt)
    // Without a microphone we listen all the same.
    if (this.#options.stream.getAudioTracks().length === 0) {
      rtc.addTransceiver('audio', { direction: 'recvonly' })
    }
    await rtc.setLocalDescription()
    if (rtc.localDescription) this.say({ attempt, offer: rtc.localDescription.toJSON() })
  }

  async #answer(attempt: number, offer: RTCSessionDescriptionInit): Promise<void> {
    const rtc = this.#begin(attempt)
    await rtc.setRemoteDescription(offer)
    await rtc.setLocalDescription()
    if (rtc.localDescription) this.say({ attempt, answer: rtc.localDescription.toJSON() })
  }

  #begin(attempt: number): RTCPeerConnection {
    this.close()
    this.#bePatient()
    const { stream } = this.#options
    const rtc = new RTCPeerConnection()
    const theirs = new MediaStream()
    rtc.onicecandidate = ({ candidate }) => candidate && this.say({ attempt, candidate: candidate.toJSON() })
    rtc.ontrack = ({ track }) => {
      theirs.addTrack(track)
      this.#onChange()
    }
    rtc.onconnectionstatechange = this.#onChange
    for (const track of stream.getTracks()) rtc.addTrack(track, stream)
    this.#attempt = attempt
    this.#rtc = rtc
    this.stream = theirs
    this.#onChange()
    return rtc
  }

  /** Longer each time: on a machine that has much to do, an attempt takes long. */
  #bePatient(): void {
    this.#patientUntil = Date.now() + Math.min(leastPatienceMs * 2 ** this.#failures++, mostPatienceMs)
  }

  close(): void {
    this.#rtc?.close()
  }
}
