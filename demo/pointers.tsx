import { useEffect, useMemo, useState } from 'react'
import { colourOf } from './colour.ts'
import type { Point } from './contract.ts'
import { useMe, useRoom } from './meeting.ts'
import { told } from './people.ts'

interface Pointer {
  readonly tab: string
  readonly id: string
  readonly name: string
  readonly x: number
  readonly y: number
  readonly at: number
}

/** Twenty times a second is smooth to the eye. */
const everyMs = 50
/** A lost "nowhere any more" is nothing to wait for. */
const forgetAfterMs = 5_000
const most = 50

export function Pointers() {
  return usePointers().map(({ tab, name, id, x, y }) => (
    <div
      key={tab}
      className="pointer"
      style={{ ...colourOf(id), left: `${100 * x}%`, top: `${100 * y}%` }}
      aria-hidden="true"
    >
      <svg viewBox="0 0 16 16" width="18" height="18" role="presentation">
        <path d="M1 1l5 14 2.5-6L14 6.5z" />
      </svg>
      <span>{name}</span>
    </div>
  ))
}

/** Where everyone points. Signals: none is repeated, and none that is late is shown. */
function usePointers() {
  const me = useMe()
  const room = useRoom()
  const [pointers, setPointers] = useState<readonly Pointer[]>([])

  useEffect(() => {
    const heard = room.on('pointing', ({ data, info }) => {
      const { tab, name } = told(info?.connInfo)
      if (!info || !tab || tab === me.tab) return
      const next = data && { tab, name, id: info.user, x: inside(data.x), y: inside(data.y), at: Date.now() }
      setPointers(before => {
        const others = before.filter(each => each.tab !== tab).slice(1 - most)
        return next ? [...others, next] : others
      })
    })
    const timer = setInterval(() => {
      const since = Date.now() - forgetAfterMs
      setPointers(before =>
        before.some(({ at }) => at < since) ? before.filter(({ at }) => at >= since) : before,
      )
    }, 1_000)
    return () => {
      heard.unsubscribe()
      clearInterval(timer)
    }
  }, [room, me])

  return pointers
}

/** Tells the others where we point, at most so often; the last word is always said. */
export function usePointing(): (point: Point) => void {
  const room = useRoom()
  return useMemo(() => {
    let waiting: { point: Point } | undefined
    let busy = false
    const next = () => {
      busy = waiting !== undefined
      if (!waiting) return
      const { point } = waiting
      waiting = undefined
      room.signal('pointing', point).catch(() => undefined)
      setTimeout(next, everyMs)
    }
    return point => {
      waiting = { point }
      if (!busy) next()
    }
  }, [room])
}

function inside(share: unknown): number {
  return typeof share === 'number' ? Math.min(1, Math.max(0, share)) : 0
}
