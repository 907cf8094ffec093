import type { Reads, Refusal, Writes } from '../../src/console/wire.ts'

/** Asks a console as its page does. */
export interface ConsoleCaller {
  read<Path extends keyof Reads>(path: Path, query?: Record<string, string | number>): Promise<Reads[Path]>
  act<Path extends keyof Writes>(path: Path, body: Writes[Path]['body']): Promise<Writes[Path]['answer']>
  /** Of the answer, whatever it is. */
  status(path: string, init?: RequestInit): Promise<{ status: number; body: unknown; headers: Headers }>
}

/** What a console has refused. */
export class Refused extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, { error }: Refusal) {
    super(error.message)
    this.status = status
    this.code = error.code
  }
}

export function consoleAt(http: string, token?: string): ConsoleCaller {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const status: ConsoleCaller['status'] = async (path, init = {}) => {
    const response = await fetch(`${http}/console/api/${path}`, {
      ...init,
      headers: { ...headers, ...init.headers },
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers }
  }
  const asked = async (path: string, init?: RequestInit) => {
    const { status: code, body } = await status(path, init)
    if (code >= 400) throw new Refused(code, body as Refusal)
    return body
  }
  return {
    status,
    async read(path, query = {}) {
      const search = new URLSearchParams(
        Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
      )
      return (await asked(`${path}?${search}`)) as never
    },
    async act(path, body) {
      const init = {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }
      return (await asked(path, init)) as never
    },
  }
}
