import { useEffect, useMemo, useState } from 'react'
import { useRoom } from './meeting.ts'
import { told } from './people.ts'

const tellEveryMs = 1_500
const forgetAfterMs = 3_000
const most = 20

/** Who types now. A signal that says so is true for a moment, and nobody waits for one that says that it is over. */
export function useTyping() {
  const room = useRoom()
  const [at, setAt] = useState<Readonly<Record<string, number>>>({})

  useEffect(() => {
    const heard = room.on('typing', ({ info }) => {
      const { name } = told(info?.connInfo)
      setAt(before => Object.fromEntries([...Object.entries(before).slice(-most), [name, Date.now()]]))
    })
    const timer = setInterval(() => {
      const since = Date.now() - forgetAfterMs
      setAt(before => {
        const left = Object.entries(before).filter(([, time]) => time >= since)
        return left.length < Object.keys(before).length ? Object.fromEntries(left) : before
      })
    }, 500)
    return () => {
      heard.unsubscribe()
      clearInterval(timer)
    }
  }, [room])

  const tellTyping = useMemo(() => {
    let last = 0
    return () => {
      if (Date.now() - last < tellEveryMs) return
      last = Date.now()
      room.signal('typing', null).catch(() => undefined)
    }
  }, [room])

  return { typing: Object.keys(at), tellTyping }
}
