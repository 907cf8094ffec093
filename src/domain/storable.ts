/** Whether Postgres can keep a text as it is: it has every character but U+0000, and only what UTF-8 can say. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed()
}

/** A text as Postgres can keep it, of so many characters at most. A cut may leave half of one behind, so that is mended last. */
export function storable(text: string, most = Number.POSITIVE_INFINITY): string {
  return text.replaceAll('\u0000', '').slice(0, most).toWellFormed()
}
