import { useClientState } from '@holdfast/client/react'
import { useEffect, useState } from 'react'
import { type Chat, type Decisions, useFacts, useMe } from './meeting.ts'

/**
 * A channel's events, and how many of others have not been seen. Which have is a cursor, kept by the server for the person:
 * what was read in one tab is read in all. `looking`: they are before somebody's eyes now.
 */
export function useRead<Name extends Chat | Decisions>(name: Name, looking: boolean) {
  const me = useMe()
  const { events, channel, position, progress } = useFacts(name)
  const { state } = useClientState()
  const visible = useVisible()
  const [read, setRead] = useState<number>()
  const head = position?.offset

  // Another tab may have read on: asked for when somebody comes back, to this tab or to the server.
  useEffect(() => {
    if (!visible || state === 'connecting' || state === 'closed') return
    channel
      .cursor('seen')
      .position()
      .then(
        ({ offset }) => setRead(before => Math.max(before ?? 0, offset)),
        // Away for now: asked for again with the next state.
        () => undefined,
      )
  }, [channel, visible, state])

  useEffect(() => {
    if (!looking || !visible || head === undefined || read === undefined || head <= read) return
    channel.cursor('seen').ack(head)
    setRead(head)
  }, [channel, looking, visible, head, read])

  const isNew = ({ offset = 0, info }: (typeof events)[number]) =>
    read !== undefined && offset > read && info?.user !== me.id
  return { events, whole: progress === 'live', unread: events.filter(isNew).length }
}

function useVisible(): boolean {
  const [visible, setVisible] = useState(() => document.visibilityState === 'visible')
  useEffect(() => {
    const look = () => setVisible(document.visibilityState === 'visible')
    document.addEventListener('visibilitychange', look)
    return () => document.removeEventListener('visibilitychange', look)
  }, [])
  return visible
}
