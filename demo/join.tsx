import { type FormEvent, useState } from 'react'
import { lastName, roomOf } from './me.ts'

export function Join({ onJoin }: { onJoin: (name: string, camera: boolean) => void }) {
  const [name, setName] = useState(lastName.get)
  const [room, setRoom] = useState(() => roomOf(location.hash))
  const [camera, setCamera] = useState(true)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const wanted = room.trim().replace(/[^\w-]+/g, '-')
    history.replaceState(null, '', `#/${wanted || 'lobby'}`)
    if (name.trim()) onJoin(name.trim(), camera)
  }
  return (
    <main className="join">
      <form onSubmit={submit}>
        <h1>Holdfast meeting room</h1>
        <p>
          Video, cursors and typing are <em>signals</em>: fast, and gone when they are gone. Chat and
          decisions are <em>events</em>: recorded before anyone sees them, and never lost.
        </p>
        <label>
          Your name
          <input
            value={name}
            onChange={event => setName(event.target.value)}
            maxLength={40}
            required
            autoComplete="given-name"
          />
        </label>
        <label>
          Room
          <input value={room} onChange={event => setRoom(event.target.value)} maxLength={40} required />
        </label>
        <label className="check">
          <input type="checkbox" checked={camera} onChange={event => setCamera(event.target.checked)} />
          Use my camera and microphone (muted at first; without one you are drawn)
        </label>
        <button type="submit" className="primary">
          Join
        </button>
      </form>
    </main>
  )
}
