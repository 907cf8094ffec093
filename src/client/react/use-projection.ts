import { type LiveTableOptions, type LiveTableView, liveTable } from '../live-table.ts'
import type { TableRow } from '../table-page.ts'
import { useHoldfast } from './provider.ts'
import { tokensOf, useLatest, useStore } from './store.ts'

export type UseProjectionOptions<Row extends TableRow> = Omit<LiveTableOptions<Row>, 'signal'>

/**
 * A projection's table that keeps itself up to date while the component is shown. It begins anew when the channel, the
 * address or the key changes; functions may be new in each drawing.
 */
export function useProjection<Row extends TableRow = TableRow>(
  name: string,
  options: UseProjectionOptions<Row>,
): LiveTableView<Row> {
  const client = useHoldfast()
  const latest = useLatest(options)
  const { changes, read, table, key, maxRows, token } = options
  const address = typeof read === 'string' ? read : undefined
  return useStore(() => {
    let view: LiveTableView<Row> = {
      rows: [],
      state: 'reading',
      build: undefined,
      truncated: false,
      error: undefined,
    }
    return {
      get view() {
        return view
      },
      begin(changed) {
        const { read, order, where } = latest.current
        let ended = false
        const reading =
          typeof read === 'function' ? { read: ((...a) => newest(latest, ...a)) as typeof read } : {}
        const opened = liveTable<Row>(
          client,
          name,
          {
            ...latest.current,
            ...reading,
            ...tokensOf(latest),
            ...(order && { order: (a: Row, b: Row) => (latest.current.order ?? order)(a, b) }),
            ...(where && { where: (row: Row) => (latest.current.where ?? where)(row) }),
          },
          now => {
            if (ended) return
            view = now
            changed()
          },
        )
        return () => {
          ended = true
          opened.close()
        }
      },
    }
  }, [client, name, changes, address, table, key?.join(' '), maxRows, token])
}

/** The function that the last drawing gave. */
function newest<Row extends TableRow>(
  latest: { readonly current: UseProjectionOptions<Row> },
  ...given: Parameters<Extract<UseProjectionOptions<Row>['read'], (...given: never) => unknown>>
) {
  const { read } = latest.current
  if (typeof read !== 'function') throw new TypeError('expected `read` to stay a function')
  return read(...given)
}
