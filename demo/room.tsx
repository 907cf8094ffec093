import { useClientState, usePresence } from '@holdfast/client/react'
import { useEffect, useState } from 'react'
import { Banner } from './banner.tsx'
import { colourOf } from './colour.ts'
import { Controls } from './controls.tsx'
import { useMe } from './meeting.ts'
import { told } from './people.ts'
import { Side } from './side.tsx'
import { Stage } from './stage.tsx'
import { useCall } from './use-call.ts'

export function Room({ withCamera, onLeave }: { withCamera: boolean; onLeave: () => void }) {
  const me = useMe()
  const { users } = usePresence(`room:${me.room}`)
  const { camera, seen, hangUp } = useCall(users, withCamera)
  const [unread, setUnread] = useState(0)
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${me.room} · Holdfast meeting room`
  }, [unread, me.room])
  return (
    <div className="room">
      <header>
        <h1>{me.room}</h1>
        <ul className="people" aria-label="In the room">
          {users
            .filter(({ user }) => user !== '')
            .map(({ key, user, info, clients }) => (
              <li key={key} style={colourOf(user)}>
                <span className="dot" aria-hidden="true" />
                {told(info).name}
                {user === me.id && ' (you)'}
                {clients.length > 1 && <span className="tabs">{clients.length} tabs</span>}
              </li>
            ))}
        </ul>
        <State />
      </header>
      <Banner seen={seen} />
      <main>
        <Stage people={users} camera={camera} seen={seen} />
      </main>
      <Side onUnread={setUnread} />
      <Controls
        camera={camera}
        onLeave={() => {
          hangUp()
          onLeave()
        }}
      />
    </div>
  )
}

/** The client's own word. */
function State() {
  const { state } = useClientState()
  return (
    <p className={`state ${state}`} role="status" aria-label="Connection">
      {state}
    </p>
  )
}
