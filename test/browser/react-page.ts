// A page as an application writes it with React: every hook, in StrictMode, on one channel and in two components.
import { createElement, Fragment, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from '../../src/client/index.ts'
import {
  HoldfastProvider,
  useChannel,
  useClientState,
  usePresence,
  useProjection,
} from '../../src/client/react/index.ts'

export interface Task {
  readonly urls: readonly string[]
  readonly token: string
  readonly order: string
  readonly room: string
  readonly totals: string
}

/** What the page shows, and what it has done. */
export interface Shown {
  readonly state: string
  readonly realtime: string | undefined
  readonly offsets: readonly number[]
  readonly progress: string
  readonly paid: readonly number[]
  readonly moved: readonly number[]
  readonly users: readonly string[]
  readonly tabs: readonly number[]
  readonly rows: readonly string[]
  readonly table: string
  /** Times that the list of events was drawn. */
  readonly drawn: number
  /** Commands that were sent, by their kind. */
  readonly sent: Readonly<Record<string, number>>
  /** Subscriptions of the SDK underneath. */
  readonly subscriptions: readonly string[]
}

interface Page {
  show(task: Task): void
  shown(): Shown
  act(what: 'signal' | 'append' | 'hide' | 'unhide' | 'cut'): Promise<void>
}

const page = globalThis as unknown as Page & {
  document: { createElement(name: string): never; body: { append(node: unknown): void } }
  WebSocket: new (url: string, protocols?: string | string[]) => { send(data: string): void; close(): void }
}

page.show = ({ urls, token, order, room, totals }) => {
  const sent: Record<string, number> = {}
  const sockets: { close(): void }[] = []
  class CountingSocket extends page.WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols)
      sockets.push(this)
    }
    override send(data: string): void {
      for (const line of data.split('\n')) {
        for (const kind of Object.keys(JSON.parse(line)))
          if (kind !== 'id') sent[kind] = (sent[kind] ?? 0) + 1
      }
      super.send(data)
    }
  }
  const client = createClient(urls, {
    token,
    websocket: CountingSocket,
    timeoutMs: 20_000,
    reconnectDelayMs: { min: 20, max: 500 },
  })
  void client.connect()
  let drawn = 0
  let now: Omit<Shown, 'drawn' | 'sent' | 'subscriptions'>
  let setHidden: (hidden: boolean) => void = () => undefined

  function Everything() {
    const status = useClientState()
    const events = useChannel(order, { since: 'start' })
    const paid = useChannel(order, { since: 'start', types: ['Paid'], limit: 2 })
    const live = useChannel(room, { types: ['moved'] })
    const presence = usePresence(room, { graceMs: 0 })
    const table = useProjection<{ key: string; state: number }>('totals', {
      changes: totals,
      read: `/api/projections/totals?key=${order.slice(6)}`,
      order: (a, b) => a.key.localeCompare(b.key),
    })
    drawn++
    const offsetsOf = (all: readonly { readonly offset: number | undefined }[]) =>
      all.map(({ offset }) => offset ?? 0)
    now = {
      state: status.state,
      realtime: status.server?.realtime,
      offsets: offsetsOf(events.events),
      progress: events.progress,
      paid: offsetsOf(paid.events),
      moved: live.events.map(({ data }) => (data as { x: number }).x),
      users: presence.users.map(({ user }) => user),
      tabs: presence.users.map(({ clients }) => clients.length),
      rows: table.rows.map(({ state }) => String(state)),
      table: table.state,
    }
    return createElement('pre', null, JSON.stringify(now))
  }
  function App() {
    const [hidden, set] = useState(false)
    setHidden = set
    return createElement(Fragment, null, hidden ? null : createElement(Everything))
  }
  const root = page.document.createElement('div')
  page.document.body.append(root)
  createRoot(root).render(
    createElement(StrictMode, null, createElement(HoldfastProvider, { client }, createElement(App))),
  )
  page.shown = () => ({ ...now, drawn, sent, subscriptions: Object.keys(client.sdk.subscriptions()) })
  page.act = async what => {
    if (what === 'signal') await client.channel(room).signal('moved', { x: 1 }, { echo: true })
    if (what === 'append') await client.channel(order).append('Paid', { cents: 1 })
    if (what === 'cut') sockets.at(-1)?.close()
    if (what === 'hide') setHidden(true)
    if (what === 'unhide') setHidden(false)
  }
}
