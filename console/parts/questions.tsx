import { type FormEvent, useId, useState } from 'react'
import { eventWish } from '../state/address.ts'
import { goTo } from '../state/route.ts'

export function AskEvent({ given = '' }: { given?: string }) {
  const id = useId()
  const [text, setText] = useState(given)
  const [wrong, setWrong] = useState(false)
  const ask = (event: FormEvent) => {
    event.preventDefault()
    const wish = eventWish(text)
    setWrong(wish === undefined)
    if (wish) goTo('event', wish)
  }
  return (
    <form className="form" onSubmit={ask}>
      <div className="field wide">
        <label htmlFor={id}>Its id, or its channel and offset</label>
        <input
          id={id}
          data-search
          value={text}
          placeholder="order:7@3"
          spellCheck={false}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${id}-wrong` : undefined}
          onChange={event => setText(event.target.value)}
        />
      </div>
      <button type="submit" className="primary">
        Look
      </button>
      {wrong ? (
        <p id={`${id}-wrong`} className="bad" role="alert">
          Expected a UUID, or a channel and an offset such as order:7@3.
        </p>
      ) : null}
    </form>
  )
}

export function AskTop() {
  return (
    <>
      <p className="muted">
        Top channels and users. Every node counts for two seconds when somebody asks, and not otherwise.
      </p>
      <div>
        <button type="button" onClick={() => goTo('top', { ask: 'now' })}>
          Ask the nodes
        </button>
      </div>
    </>
  )
}
