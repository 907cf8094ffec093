import type { ReactNode } from 'react'

/** How something fares. Each level has a colour, a shape and a word, so that no one of them is the only sign. */
export type Level = 'ok' | 'warn' | 'bad' | 'unknown' | 'info'

const words: Readonly<Record<Level, string>> = {
  ok: 'good',
  warn: 'look at this',
  bad: 'act now',
  unknown: 'not known',
  info: 'note',
}

const shapes: Readonly<Record<Level, ReactNode>> = {
  ok: (
    <>
      <circle cx="8" cy="8" r="7" />
      <path d="m4.6 8.2 2.3 2.4 4.6-5" className="stroke" />
    </>
  ),
  warn: (
    <>
      <path d="M8 1.2 15.4 14.4H.6Z" />
      <path d="M8 6v4M8 11.6v1.2" className="stroke" />
    </>
  ),
  bad: (
    <>
      <path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5Z" />
      <path d="m5.2 5.2 5.6 5.6M10.8 5.2l-5.6 5.6" className="stroke" />
    </>
  ),
  unknown: (
    <>
      <circle cx="8" cy="8" r="6.6" className="hollow" />
      <path d="M5.9 6.2a2.1 2.1 0 1 1 3 2c-.6.3-.9.7-.9 1.4M8 11.6v.6" className="line" />
    </>
  ),
  info: (
    <>
      <circle cx="8" cy="8" r="6.6" className="hollow" />
      <path d="M8 7.2v4M8 4.4v.8" className="line" />
    </>
  ),
}

export function Sign({ level }: { level: Level }) {
  return (
    <svg className={`sign ${level}`} viewBox="0 0 16 16" width="16" height="16" role="img">
      <title>{words[level]}</title>
      {shapes[level]}
    </svg>
  )
}

export function Status({ level, children }: { level: Level; children: ReactNode }) {
  return (
    <span className={`status ${level}`}>
      <Sign level={level} />
      <span>{children}</span>
    </span>
  )
}

const order: readonly Level[] = ['bad', 'warn', 'unknown', 'info', 'ok']

/** The one that needs a person most; of none nothing is known. */
export function worst(levels: readonly Level[]): Level {
  return order.find(level => levels.includes(level)) ?? 'unknown'
}
