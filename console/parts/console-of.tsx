import type { NodeView } from '../../src/console/wire.ts'
import { routeTo } from '../state/address.ts'

/** The name of a node, which leads to its own console where people can reach that; there they sign in anew. */
export function ConsoleOf({ sheet: { name, url }, own }: Pick<NodeView, 'sheet' | 'own'>) {
  if (own || url === null) return name
  return (
    <a href={`${url.replace(/\/*$/, '/')}${routeTo('now')}`} title={`The console of ${name}`}>
      {name}
    </a>
  )
}
