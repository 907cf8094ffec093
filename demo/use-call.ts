import type { PresentUser } from '@holdfast/client'
import { useEffect, useRef, useState } from 'react'
import { Call, type Seen } from './call.ts'
import { type Camera, openCamera } from './camera.ts'
import { hueOf } from './colour.ts'
import { useMe, useRoom } from './meeting.ts'
import { othersOf, told } from './people.ts'

/** Our own camera, and what is seen of the others. */
export function useCall(people: readonly PresentUser[], withCamera: boolean) {
  const me = useMe()
  const room = useRoom()
  const [camera, setCamera] = useState<Camera>()
  const [seen, setSeen] = useState<readonly Seen[]>([])
  const call = useRef<Call>(undefined)

  useEffect(() => {
    let ended = false
    const opening = openCamera(withCamera, me.name, hueOf(me.id))
    opening.then(opened => (ended ? opened.stop() : setCamera(opened)))
    return () => {
      ended = true
      opening.then(opened => opened.stop())
    }
  }, [me, withCamera])

  useEffect(() => {
    if (!camera) return
    const made = new Call({
      tab: me.tab,
      stream: camera.stream,
      send: ({ client }, word) => {
        // One that is lost costs an attempt: see `Peer`.
        room.signal('negotiation', word, { to: { client } }).catch(() => undefined)
      },
      onChange: setSeen,
    })
    call.current = made
    const heard = room.on('negotiation', ({ data, info }) => {
      const { tab } = told(info?.connInfo)
      if (info && tab) made.hear({ tab, client: info.client }, data)
    })
    const leave = () => made.close()
    addEventListener('pagehide', leave)
    return () => {
      removeEventListener('pagehide', leave)
      heard.unsubscribe()
      made.close()
      call.current = undefined
    }
  }, [camera, me, room])

  useEffect(() => {
    if (camera) call.current?.present(othersOf(people, me.id))
  }, [people, camera, me])

  /** Says good-bye, while there is still a connection to say it over. */
  const hangUp = () => call.current?.close()
  return { camera, seen, hangUp }
}
