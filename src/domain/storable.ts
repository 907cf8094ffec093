/** Whether Postgres can keep a text as it is: it has every character but U+0000, and only what UTF-8 can say. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed()
}

/** A text as Postgres can keep it. Cut first: a cut may leave half a character behind. */
export function storable(text: string, most = Number.POSITIVE_INFINITY): string {
  return text.slice(0, most).replaceAll('\u0000', '').toWellFormed()
}
