/** What a panel is to whoever writes one; `board.ts` makes of it what Grafana reads. */
export interface Panel {
  readonly title: string
  /** What it shows, and what to think of it. */
  readonly about: string
  readonly kind: 'stat' | 'lines' | 'states' | 'table'
  readonly unit: Unit
  readonly asks: readonly Query[]
  /** Of 24 columns. */
  readonly width: number
  readonly height: number
  readonly most?: number
  /** From which value on it is bad; or below which, where `badBelow`. */
  readonly bad?: number
  readonly badBelow?: number
  /** Names for values, as of a state. */
  readonly words?: Readonly<Record<string, string>>
  /** What a deployment has to have so that there is anything to see. */
  readonly only?: string
}

/** As Grafana calls them: things, seconds, bytes, shares, and per second messages or whatever else. */
export type Unit = 'none' | 'short' | 's' | 'bytes' | 'percentunit' | 'mps' | 'ops' | 'string'

export interface Query {
  readonly expr: string
  readonly legend: string
}

export interface Section {
  readonly title: string
  readonly panels: readonly Panel[]
}

export interface Board {
  /** Its file's name too. */
  readonly name: string
  readonly title: string
  readonly about: string
  readonly sections: readonly Section[]
}

type Rest = Partial<Omit<Panel, 'title' | 'about' | 'kind' | 'unit' | 'asks'>>
/** One query, or several by their legends. */
type Asked = string | Readonly<Record<string, string>>

function queries(asked: Asked): readonly Query[] {
  if (typeof asked === 'string') return [{ expr: asked, legend: '' }]
  return Object.entries(asked).map(([legend, expr]) => ({ legend, expr }))
}

/** A number that is looked at. */
export function stat(title: string, about: string, unit: Unit, asked: Asked, rest: Rest = {}): Panel {
  return { title, about, kind: 'stat', unit, asks: queries(asked), width: 4, height: 4, ...rest }
}

/** Lines over time. */
export function lines(title: string, about: string, unit: Unit, asked: Asked, rest: Rest = {}): Panel {
  return { title, about, kind: 'lines', unit, asks: queries(asked), width: 8, height: 8, ...rest }
}

/** What was in which state when. */
export function states(title: string, about: string, asked: Asked, rest: Rest = {}): Panel {
  return { title, about, kind: 'states', unit: 'none', asks: queries(asked), width: 12, height: 8, ...rest }
}

/** A row for each series, of its labels. */
export function table(title: string, about: string, asked: string, rest: Rest = {}): Panel {
  return { title, about, kind: 'table', unit: 'string', asks: queries(asked), width: 8, height: 8, ...rest }
}

/** A metric of the chosen instances. */
export function at(metric: string, labels = ''): string {
  return `${metric}{${labels === '' ? '' : `${labels},`}instance=~"$instance"}`
}

/** What is counted, per second, of the chosen instances. */
export function rate(metric: string, labels = ''): string {
  return `rate(${at(metric, labels)}[$__rate_interval])`
}

/** That, added up by these labels. */
export function rates(by: string, metric: string, labels = ''): string {
  return `sum by (${by}) (${rate(metric, labels)})`
}

/** Of what nothing is known before it first happens: 0 until then. */
export function orNone(expr: string): string {
  return `${expr} or on () vector(0)`
}

/** A quantile of a histogram of the chosen instances, by these labels. */
export function quantile(q: number, histogram: string, by = '', labels = ''): string {
  return `histogram_quantile(${q}, ${rates(by === '' ? 'le' : `${by}, le`, `${histogram}_bucket`, labels)})`
}
