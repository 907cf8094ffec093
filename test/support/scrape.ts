/** One line of the metrics. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What a node's `/metrics` says at one moment. */
export class Scrape {
  readonly samples: readonly Sample[]
  /** By name: `counter`, `gauge` or `histogram`. */
  readonly types: ReadonlyMap<string, string>

  constructor(text: string) {
    const lines = text.split('\n')
    this.samples = lines.flatMap(line => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (name === undefined) return []
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text])
      return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
    })
    this.types = new Map(
      lines.flatMap(line => {
        const [, name, type] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? []
        return name === undefined || type === undefined ? [] : [[name, type] as const]
      }),
    )
  }

  static async of(http: string): Promise<Scrape> {
    const response = await fetch(`${http}/metrics`, { signal: AbortSignal.timeout(15_000) })
    return new Scrape(await response.text())
  }

  /** The sum of all samples of this name that have these labels; undefined where there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = Object.entries(labels)
    const found = this.samples.filter(
      sample => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value),
    )
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
  }
}
