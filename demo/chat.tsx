import { useHoldfast } from '@holdfast/client/react'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { colourOf } from './colour.ts'
import type { Meeting } from './contract.ts'
import { type EventOf, useMe } from './meeting.ts'
import { told } from './people.ts'
import { useTyping } from './typing.ts'

export interface ChatProps {
  readonly events: readonly EventOf<`chat:${string}`>[]
  /** Whether these are all there are. */
  readonly whole: boolean
}

export function Chat({ events, whole }: ChatProps) {
  const me = useMe()
  const chat = useHoldfast<Meeting>().channel(`chat:${me.room}`)
  const [text, setText] = useState('')
  const [waiting, setWaiting] = useState<readonly string[]>([])
  const { typing, tellTyping } = useTyping()
  const end = useRef<HTMLDivElement>(null)
  const count = events.length + waiting.length
  useEffect(() => {
    if (count > 0) end.current?.scrollIntoView({ block: 'end' })
  }, [count])

  const send = async (event: FormEvent) => {
    event.preventDefault()
    const said = text.trim()
    if (!said) return
    setText('')
    setWaiting(before => [...before, said])
    // However long it takes: repeated under one id until it is recorded, over lost connections too.
    await chat.append('Said', { text: said }).catch(error => console.error(error))
    setWaiting(before => before.toSpliced(before.indexOf(said), 1))
  }

  return (
    <>
      <div className="messages" role="log" aria-label="Chat">
        <ol>
          {whole && count === 0 && (
            <li className="empty">
              Nothing is said yet. What you write is kept, and whoever comes later sees it too.
            </li>
          )}
          {events.map(({ offset, data, info, time }) => (
            <li
              key={offset}
              className={info?.user === me.id ? 'mine' : ''}
              style={colourOf(info?.user ?? '')}
            >
              <p className="by">
                <b>{info ? told(info.connInfo).name : 'The server'}</b>{' '}
                {time !== undefined && <Clock time={time} />}
              </p>
              <p>{textOf(data)}</p>
            </li>
          ))}
          {waiting.map((said, at) => (
            <li key={`waiting ${at}`} className="mine waiting" style={colourOf(me.id)}>
              <p className="by">not recorded yet</p>
              <p>{said}</p>
            </li>
          ))}
        </ol>
        <div ref={end} />
      </div>
      <p className="typing" aria-live="polite">
        {typing.length > 0 && `${typing.join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing…`}
      </p>
      <form onSubmit={send} className="send">
        <input
          value={text}
          onChange={event => {
            setText(event.target.value)
            tellTyping()
          }}
          maxLength={1_000}
          placeholder="Say something"
          aria-label="Message"
        />
        <button type="submit" className="primary">
          Send
        </button>
      </form>
    </>
  )
}

/** Whoever has the right may append anything: what is no text is shown as it came. */
function textOf(data: unknown): string {
  const { text } = (data ?? {}) as { text?: unknown }
  return typeof text === 'string' ? text : JSON.stringify(data)
}

export function Clock({ time }: { time: number }) {
  const date = new Date(time)
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}
    </time>
  )
}
