/** Where the page is: after the `#`, so that a link of any place can be sent to a colleague and no server has to know it. */
export interface Route {
  readonly page: string
  readonly query: URLSearchParams
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  return { page: path.replace(/\/+$/, '') || 'now', query: new URLSearchParams(query) }
}

export type Wish = Readonly<Record<string, string | number | undefined>>

export function routeTo(page: string, wish: Wish = {}): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(wish))
    if (value !== undefined && value !== '') query.set(key, String(value))
  const text = query.toString()
  return `#/${page}${text === '' ? '' : `?${text}`}`
}

/** `order:7 3`, `order:7@3` or an id: as people have it at hand, in a log or a ticket. */
export function eventWish(text: string): Wish | undefined {
  const trimmed = text.trim()
  const place = /^(.+?)(?:\s+|\s*@\s*)(\d+)$/.exec(trimmed)
  if (place) return { channel: place[1], offset: place[2] }
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(trimmed) ? { id: trimmed } : undefined
}
