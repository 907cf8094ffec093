import type { Board, Panel, Query } from './panel.ts'

const columns = 24
const prometheus = { type: 'prometheus', uid: 'holdfast-prometheus' }

/** A dashboard as Grafana's provisioning reads it. */
export function grafanaBoard(board: Board, all: readonly Board[]): object {
  return {
    uid: `holdfast-${board.name}`,
    title: `Holdfast: ${board.title}`,
    description: board.about,
    tags: ['holdfast'],
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '15s',
    time: { from: 'now-1h', to: 'now' },
    links: all.filter(other => other !== board).map(link),
    templating: { list: [instances] },
    annotations: { list: [firing, restarts] },
    panels: placed(board),
  }
}

const link = ({ name, title, about }: Board) => ({
  type: 'link',
  title,
  tooltip: about,
  url: `/d/holdfast-${name}`,
  keepTime: true,
  includeVars: true,
})

/** Which nodes and workers a dashboard is about. */
const instances = {
  name: 'instance',
  label: 'Instance',
  type: 'query',
  datasource: prometheus,
  query: { query: 'label_values(holdfast_info, instance)', refId: 'instances' },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.+',
  current: { text: ['All'], value: ['$__all'] },
}

const mark = (name: string, expr: string, titleFormat: string, iconColor: string) => ({
  name,
  expr,
  titleFormat,
  iconColor,
  enable: true,
  hide: false,
  step: '15s',
  datasource: prometheus,
})
const firing = mark('Alerts', 'ALERTS{alertstate="firing",alertname=~"Holdfast.+"}', '{{alertname}}', 'red')
const restarts = mark('Restarts', 'holdfast_process_uptime < 60', '{{instance}} has started', 'blue')

/** From left to right as long as there is room, each section under its title. */
function placed(board: Board): object[] {
  const panels: object[] = []
  let y = 0
  for (const { title, panels: mine } of board.sections) {
    const gridPos = { x: 0, y: y++, w: columns, h: 1 }
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos, panels: [] })
    let x = 0
    let tallest = 0
    for (const panel of mine) {
      if (x + panel.width > columns) {
        y += tallest
        x = 0
        tallest = 0
      }
      panels.push(grafanaPanel(panel, panels.length + 1, { x, y, w: panel.width, h: panel.height }))
      x += panel.width
      tallest = Math.max(tallest, panel.height)
    }
    y += tallest
  }
  return panels
}

const types = { stat: 'stat', lines: 'timeseries', states: 'state-timeline', table: 'table' }

function grafanaPanel(panel: Panel, id: number, gridPos: object): object {
  const { title, about, kind, only } = panel
  return {
    id,
    type: types[kind],
    title,
    description: only === undefined ? about : `${about} Empty without ${only}.`,
    datasource: prometheus,
    gridPos,
    targets: panel.asks.map((query, i) => target(query, i, kind)),
    fieldConfig: { defaults: defaults(panel), overrides: [] },
    options: options[kind],
    ...(kind === 'table' && { transformations: [onlyLabels] }),
  }
}

function target({ expr, legend }: Query, i: number, kind: Panel['kind']): object {
  const now = kind === 'table' || kind === 'stat'
  return {
    refId: String.fromCharCode(65 + i),
    datasource: prometheus,
    expr,
    ...(legend !== '' && { legendFormat: legend }),
    instant: now,
    range: !now,
    ...(kind === 'table' && { format: 'table' }),
  }
}

function defaults({ kind, unit, most, bad, badBelow, words }: Panel): object {
  const steps =
    badBelow === undefined
      ? [step('green', null), ...(bad === undefined ? [] : [step('red', bad)])]
      : [step('red', null), step('green', badBelow)]
  const judged = bad !== undefined || badBelow !== undefined
  return {
    unit,
    min: 0,
    ...(most !== undefined && { max: most }),
    color: { mode: kind === 'lines' ? 'palette-classic' : 'thresholds' },
    thresholds: { mode: 'absolute', steps },
    mappings: words ? [mapping(words)] : [],
    ...(kind === 'lines' && {
      custom: {
        lineWidth: 1,
        fillOpacity: 8,
        showPoints: 'never',
        spanNulls: false,
        thresholdsStyle: { mode: judged ? 'dashed' : 'off' },
      },
    }),
  }
}

const step = (color: string, value: number | null) => ({ color, value })

function mapping(words: Readonly<Record<string, string>>): object {
  const options = Object.entries(words).map(([value, text], index) => [value, { text, index }])
  return { type: 'value', options: Object.fromEntries(options) }
}

const legend = { displayMode: 'list', placement: 'bottom', showLegend: true }
const options = {
  stat: {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    colorMode: 'value',
    graphMode: 'none',
    textMode: 'auto',
  },
  lines: { legend, tooltip: { mode: 'multi', sort: 'desc' } },
  states: { legend, mergeValues: true, showValue: 'auto', rowHeight: 0.8, tooltip: { mode: 'single' } },
  table: { showHeader: true, cellHeight: 'sm' },
}
const onlyLabels = {
  id: 'organize',
  options: { excludeByName: { Time: true, Value: true, __name__: true, job: true } },
}
