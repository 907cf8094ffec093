import { useEffect, useId, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useTheme } from '../state/theme.tsx'

export interface Line {
  readonly label: string
  readonly values: readonly (number | null)[]
  /** Lines differ by their dashes, too, so that colours are never the only sign. */
  readonly style: 'first' | 'second' | 'past'
}

const dashes: Readonly<Record<Line['style'], number[]>> = { first: [], second: [9, 4], past: [2, 4] }
const colours: Readonly<Record<Line['style'], string>> = {
  first: '--series-1',
  second: '--series-2',
  past: '--series-past',
}

/** Lines over time. What it says in short stands in `summary`, for those who do not see it and those in a hurry. */
export function Chart({
  at,
  lines,
  summary,
  write,
  marks = [],
  low = false,
  least = 1,
}: {
  /** Milliseconds. */
  at: readonly number[]
  lines: readonly Line[]
  summary: string
  write: (value: number) => string
  /** Times of what has changed, drawn as upright lines. */
  marks?: readonly number[]
  low?: boolean
  /** How far the axis reaches at least, so that its steps can be written. */
  least?: number
}) {
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const now = useRef({ write, marks })
  now.current = { write, marks }
  const { shown } = useTheme()
  const data = useMemo(() => aligned(at, lines), [at, lines])
  const latest = useRef(data)
  latest.current = data
  const shape = lines.map(line => `${line.style} ${line.label}`).join('|')

  useEffect(() => {
    const place = element.current
    if (!place) return undefined
    const colour = (name: string) => resolved(place, name)
    const made = new uPlot(options(lines, place, colour, now, least), latest.current, place)
    plot.current = made
    const observer = new ResizeObserver(() =>
      made.setSize({ width: place.clientWidth, height: place.clientHeight }),
    )
    observer.observe(place)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [shape, shown])
  useEffect(() => plot.current?.setData(data), [data])

  const id = useId()
  return (
    <figure className="chart stack">
      <div ref={element} className={low ? 'plot low' : 'plot'} role="img" aria-labelledby={id} />
      <figcaption className="legend">
        {lines.map(({ label, style }) => (
          <span key={label}>
            <svg width="26" height="8" viewBox="0 0 26 8" aria-hidden="true">
              <path
                d="M1 4h24"
                fill="none"
                stroke={`var(${colours[style]})`}
                strokeWidth="2.4"
                strokeDasharray={dashes[style].join(' ')}
              />
            </svg>
            {label}
          </span>
        ))}
        <span id={id} className="muted">
          {summary}
        </span>
      </figcaption>
    </figure>
  )
}

/** A canvas knows no variables: the browser is asked which colour one means here. */
function resolved(place: HTMLElement, name: string): string {
  place.style.color = `var(${name})`
  const { color } = getComputedStyle(place)
  place.style.color = ''
  return color
}

function known(values: ArrayLike<number | null | undefined> | undefined): number {
  return Array.from(values ?? []).filter(value => typeof value === 'number').length
}

function aligned(at: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [at.map(time => time / 1_000), ...lines.map(({ values }) => [...values])]
}

const timeOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric' })

function timeOf(tick: number, stepSeconds: number): string {
  return (stepSeconds >= 86_400 ? day : timeOfDay).format(new Date(tick * 1_000))
}

function options(
  lines: readonly Line[],
  place: HTMLElement,
  colour: (name: string) => string,
  now: { readonly current: { write: (value: number) => string; marks: readonly number[] } },
  least: number,
): uPlot.Options {
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
  }
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max((most ?? 0) * 1.1, least)] } },
    axes: [
      {
        ...axis,
        size: 32,
        values: (_, ticks, __, ___, stepSeconds) => ticks.map(tick => timeOf(tick, stepSeconds)),
      },
      { ...axis, size: 74, values: (_, ticks) => ticks.map(tick => now.current.write(tick)) },
    ],
    series: [
      {},
      ...lines.map(({ label, style }) => ({
        label,
        stroke: colour(colours[style]),
        width: 2,
        dash: dashes[style],
        // A line needs two points; the first minute of a node has one.
        points: { size: 6, show: (self: uPlot, index: number) => known(self.data[index]) < 4 },
      })),
    ],
    hooks: {
      draw: [
        (drawn: uPlot) => {
          const { ctx, bbox } = drawn
          ctx.save()
          ctx.strokeStyle = colour('--strong-line')
          ctx.setLineDash([3, 3])
          for (const mark of now.current.marks) {
            const left = drawn.valToPos(mark / 1_000, 'x', true)
            if (left < bbox.left || left > bbox.left + bbox.width) continue
            ctx.beginPath()
            ctx.moveTo(left, bbox.top)
            ctx.lineTo(left, bbox.top + bbox.height)
            ctx.stroke()
          }
          ctx.restore()
        },
      ],
    },
  }
}
