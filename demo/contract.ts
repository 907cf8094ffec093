// What the channels of a meeting carry. The types follow from here to every `on`, `signal` and `append` of this page.

type Of<Data> = {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: 'meeting'
    readonly validate: (value: unknown) => { readonly value: Data }
    readonly types?: { readonly input: Data; readonly output: Data }
  }
}

/** Where in the picture somebody points, each from 0 to 1; null: nowhere any more. */
export type Point = { readonly x: number; readonly y: number } | null

/** What two browsers say to each other to see each other, and to which of their attempts it belongs. */
export type Negotiation =
  | { readonly attempt: number; readonly offer: RTCSessionDescriptionInit }
  | { readonly attempt: number; readonly answer: RTCSessionDescriptionInit }
  | { readonly attempt: number; readonly candidate: RTCIceCandidateInit }
  /** An offer is wanted: the attempt of this number, the last one known, leads nowhere. */
  | { readonly wanted: number }
  | { readonly bye: true }

export type Person = { readonly id: string; readonly name: string }

export type Meeting = {
  /** Signals: for who is there now, and gone after that. */
  'room:{room}': { pointing: Of<Point>; typing: Of<null>; negotiation: Of<Negotiation> }
  /** Facts: kept, in one order, for who comes later too. */
  'chat:{room}': { Said: Of<{ text: string }> }
  'decision:{room}': {
    Proposed: Of<{ proposal: string; text: string; by: Person }>
    Agreed: Of<{ proposal: string; by: Person }>
    Decided: Of<{ proposal: string }>
    Withdrawn: Of<{ proposal: string }>
  }
}
