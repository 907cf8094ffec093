import type { PresentUser } from '@holdfast/client'
import type { Other } from './peer.ts'

interface Told {
  readonly name: string
  readonly tab: string
}

/** What a connection has said of itself when it joined. */
export function told(info: unknown): Told {
  const { name, tab } = (info ?? {}) as Partial<Told>
  return { name: typeof name === 'string' ? name : 'somebody', tab: typeof tab === 'string' ? tab : '' }
}

/** The tabs of others. */
export function othersOf(people: readonly PresentUser[], me: string): Other[] {
  return people
    .filter(({ user }) => user !== me && user !== '')
    .flatMap(({ clients }) => clients.map(({ client, connInfo }) => ({ client, tab: told(connInfo).tab })))
    .filter(({ tab }) => tab !== '')
}
