import type { NodeView, RateCounts, RateName } from '../../src/console/wire.ts'

/** Rates of all nodes that are heard, added up; undefined where none of them counts it. */
export function totalRate(nodes: readonly NodeView[], name: RateName): number | undefined {
  return total(nodes.filter(({ heard }) => heard).map(({ sheet }) => sheet.perSecond[name]))
}

function total(values: readonly (RateCounts[RateName] | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0)
}

/** Ends of connections in the last five minutes, by code, the most frequent first. */
export function disconnectsOf(nodes: readonly NodeView[]): [code: string, ended: number][] {
  const byCode = new Map<string, number>()
  for (const { sheet, heard } of nodes) {
    if (!heard) continue
    for (const [code, ended] of Object.entries(sheet.disconnects))
      byCode.set(code, (byCode.get(code) ?? 0) + ended)
  }
  return [...byCode].filter(([, ended]) => ended > 0).sort(([, a], [, b]) => b - a)
}

/** What the codes say that are met most; all of them stand in ERRORS.md. */
const codes: Readonly<Record<string, string>> = {
  peer: 'ended by the client or the network',
  frame: 'a frame was too large or broken',
  application: 'ended by the application',
  '3001': 'the node stops; a deploy',
  '3004': 'a fault of the server',
  '3005': 'the token has expired',
  '3006': 'a subscription’s token has expired',
  '3008': 'read too slowly',
  '3010': 'lost its place, recovers',
  '3011': 'asked to reconnect',
  '3012': 'no pong',
  '3013': 'too many commands',
  '3014': 'told to forget its state',
  '3500': 'invalid token',
  '3501': 'bad request',
  '3502': 'never sent a connect',
  '3503': 'ended on request',
  '3504': 'too many connections of a user',
  '3506': 'wrong protocol',
  '3508': 'not available',
}

export function saidBy(code: string): string {
  return codes[code] ?? 'see ERRORS.md'
}
