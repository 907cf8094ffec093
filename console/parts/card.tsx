import { type ReactNode, useId } from 'react'
import { type Level, Sign } from './status.tsx'

/** A part of the page under a heading, which is a question where the part answers one. */
export function Card({
  title,
  to,
  level,
  aside,
  footer,
  children,
}: {
  title: string
  /** Where there is more. */
  to?: string
  level?: Level | undefined
  aside?: ReactNode
  footer?: ReactNode
  children: ReactNode
}) {
  const id = useId()
  return (
    <section className={`card${level ? ` level-${level}` : ''}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{to ? <a href={to}>{title}</a> : title}</h2>
        {aside}
      </header>
      {children}
      {footer ? <footer>{footer}</footer> : null}
    </section>
  )
}

export function Heading({
  title,
  children,
  tools,
}: {
  title: string
  children?: ReactNode
  tools?: ReactNode
}) {
  return (
    <div className="heading">
      <div className="stack">
        <h1>{title}</h1>
        {children ? <p>{children}</p> : null}
      </div>
      {tools ? <div className="row">{tools}</div> : null}
    </div>
  )
}

/** Something that has to be said. With `alert` it is read out at once. */
export function Note({
  level,
  alert = false,
  children,
}: {
  level: Level
  alert?: boolean
  children: ReactNode
}) {
  return (
    <div className={`note ${level}`} role={alert ? 'alert' : undefined}>
      <Sign level={level} />
      <div>{children}</div>
    </div>
  )
}

export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
