import { HoldfastProvider } from '@holdfast/client/react'
import { useEffect, useMemo, useState } from 'react'
import { Join } from './join.tsx'
import { joined, lastName, type Me, me } from './me.ts'
import { MeProvider, openClient } from './meeting.ts'
import { Room } from './room.tsx'

export function App() {
  const [who, setWho] = useState<Me | undefined>(() => (joined.get() ? me(lastName.get()) : undefined))
  const [withCamera, setWithCamera] = useState(true)
  if (!who) {
    return (
      <Join
        onJoin={(name, camera) => {
          lastName.set(name)
          joined.set(true)
          setWithCamera(camera)
          setWho(me(name))
        }}
      />
    )
  }
  const leave = () => {
    joined.set(false)
    setWho(undefined)
  }
  return <MeetingOf me={who} withCamera={withCamera} onLeave={leave} />
}

function MeetingOf({ me, ...rest }: { me: Me; withCamera: boolean; onLeave: () => void }) {
  const client = useMemo(() => openClient(me), [me])
  useEffect(() => {
    client.connect().catch(() => undefined)
    return () => client.disconnect()
  }, [client])
  return (
    <HoldfastProvider client={client}>
      <MeProvider value={me}>
        <Room {...rest} />
      </MeProvider>
    </HoldfastProvider>
  )
}
