import type { Backing } from './backing-services.ts'

/** What a person who has just started Holdfast wants to type next. */
export function summary(running: {
  readonly ports: readonly [number, number]
  readonly postgres: Backing
  readonly redis: Backing
  readonly apiKey: string | undefined
  readonly feeding: boolean
}): string {
  const [first, second] = running.ports
  const other = `--url ws://localhost:${second}`
  const here = first === 8000 ? '' : ` --url ws://localhost:${first}`
  const path = `http://localhost:${first}/api/projections/quakes_by_region?order=-quakes&limit=5`
  const key = running.apiKey ? `-H 'X-API-Key: ${running.apiKey}' ` : ''
  const readModel = `curl ${key}'${path}'`
  const lines = [
    [
      'demo',
      `http://localhost:${first}/demo/ and http://localhost:${second}/demo/, a meeting over two nodes`,
    ],
    ['console', `http://localhost:${first}/console/, without a token`],
    [
      'nodes',
      `http://localhost:${first} and http://localhost:${second}, for this machine only, without authentication`,
    ],
    ['sockets', `ws://localhost:${first}/connection/websocket and the same on ${second}`],
    [
      'API',
      `http://localhost:${first}/api, ${running.apiKey ? `X-API-Key: ${running.apiKey}` : 'without a key'}`,
    ],
    ['Postgres', `${running.postgres.url} (${running.postgres.note})`],
    ['Redis', `${running.redis.url} (${running.redis.note})`],
    ...(running.feeding ? [['watch', `bin/holdfast tail quakes:all --since 0 ${other}`]] : []),
    ...(running.feeding ? [['read', readModel]] : []),
    ['talk', `bin/holdfast append chat:lobby Said '{"text":"hello"}'${here}`],
    ['', `bin/holdfast tail chat:lobby --since 0 ${other}`],
  ] as const
  const rows = lines.map(([label, text]) => `  ${(label ?? '').padEnd(9)} ${text}`)
  return `\nHoldfast is running. Ctrl-C stops everything.\n\n${rows.join('\n')}\n`
}
