import type { NamespaceOptions } from '../../domain/index.ts'

export type RetainedNamespaces = Readonly<Record<string, Pick<NamespaceOptions, 'tier' | 'retention'>>>

/** What a namespace keeps, and where its channels lie. 0 is no bound. */
export interface Rule {
  readonly namespace: string
  readonly maxAgeSeconds: number
  readonly maxEvents: number
  /** The channels of the namespace lie in [from, to) of the index. */
  readonly from: string
  readonly to: string
}

export function rulesOf(namespaces: RetainedNamespaces): Rule[] {
  return Object.entries(namespaces).flatMap(([namespace, { tier, retention }]) => {
    if (tier !== 'durable' || (retention.maxAgeSeconds === 0 && retention.maxEvents === 0)) return []
    // The namespace without a name has the channels without a colon: they lie everywhere.
    if (namespace === '') return [{ namespace, ...retention, from: '', to: '\u007f' }]
    // `;` follows `:` in ASCII; private channels begin with `$`.
    return ['', '$'].map(prefix => ({
      namespace,
      ...retention,
      from: `${prefix}${namespace}:`,
      to: `${prefix}${namespace};`,
    }))
  })
}
