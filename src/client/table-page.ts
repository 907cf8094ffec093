import { codes, HoldfastClientError } from './errors.ts'

export type TableRow = Readonly<Record<string, unknown>>

/** A page of a projection's table, as the HTTP API gives it. */
export interface TablePage<Row> {
  /** The build that it was read from. */
  readonly build: number
  readonly rows: readonly Row[]
  /** What the next page is asked for with; none: this was the last. */
  readonly next?: string | undefined
}

/** Reads one page. Whatever it throws is tried again, but for a `HoldfastClientError` that is not `temporary`. */
export type ReadTable<Row> = (request: {
  /** The `next` of the page before. */
  readonly after: string | undefined
  readonly signal: AbortSignal
}) => Promise<TablePage<Row>>

/** Reads from an address that answers as `GET /api/projections/<name>` does. */
export function readTable<Row>(address: string): ReadTable<Row> {
  return async ({ after, signal }) => {
    const join = address.includes('?') ? '&' : '?'
    const url = after === undefined ? address : `${address}${join}after=${encodeURIComponent(after)}`
    const response = await asked(url, signal)
    const answer = (await response.json().catch(() => undefined)) as Answer<Row> | undefined
    if (answer?.result) return answer.result
    const { code = codes.internal, message = `${response.status} for ${address}` } = answer?.error ?? {}
    // 408 and 429 ask for another time; of the others below 500 the next answer would be the same.
    const temporary = response.status >= 500 || response.status === 408 || response.status === 429
    throw new HoldfastClientError(code, message, { temporary })
  }
}

interface Answer<Row> {
  readonly result?: TablePage<Row>
  readonly error?: { readonly code?: number; readonly message?: string }
}

async function asked(url: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal })
  } catch (error) {
    throw new HoldfastClientError(codes.connectionClosed, `${url} cannot be read: ${String(error)}`, {
      temporary: true,
    })
  }
}
