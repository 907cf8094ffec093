import type { CSSProperties } from 'react'

/** From 0 to 359, the same for the same somebody. */
export function hueOf(id: string): number {
  let hash = 0
  for (const letter of id) hash = (hash * 31 + letter.charCodeAt(0)) % 360
  return hash
}

/** Somebody's colour, for the style sheet. */
export function colourOf(id: string): CSSProperties {
  return { '--hue': hueOf(id) } as CSSProperties
}
