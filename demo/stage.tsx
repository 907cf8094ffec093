import type { PresentUser } from '@holdfast/client'
import { type PointerEvent, useEffect, useRef } from 'react'
import type { Seen } from './call.ts'
import type { Camera } from './camera.ts'
import { colourOf } from './colour.ts'
import { useMe } from './meeting.ts'
import { told } from './people.ts'
import { Pointers, usePointing } from './pointers.tsx'

export interface StageProps {
  readonly people: readonly PresentUser[]
  readonly camera: Camera | undefined
  readonly seen: readonly Seen[]
}

/** Everyone's picture, and over it where everyone points. */
export function Stage({ people, camera, seen }: StageProps) {
  const me = useMe()
  const point = usePointing()
  const move = ({ currentTarget, clientX, clientY }: PointerEvent<HTMLElement>) => {
    const { left, top, width, height } = currentTarget.getBoundingClientRect()
    point({ x: (clientX - left) / width, y: (clientY - top) / height })
  }
  const others = people.filter(({ user }) => user !== me.id && user !== '')
  // Out of the room's sight, and still in the picture: the server is away, the video is not.
  const tabs = new Set(others.flatMap(({ clients }) => clients.map(({ connInfo }) => told(connInfo).tab)))
  const unseen = seen.filter(({ tab, connected }) => connected && !tabs.has(tab))
  const names = useNames(people)
  const mine = people.find(({ user }) => user === me.id)
  return (
    <section className="stage" aria-label="Pictures" onPointerMove={move} onPointerLeave={() => point(null)}>
      <ul className="tiles" data-count={others.length + unseen.length + 1}>
        <Tile
          name={`${me.name} (you)`}
          id={me.id}
          tabs={mine?.clients.length ?? 1}
          stream={camera?.stream}
          mirrored={camera?.kind === 'camera'}
          muted
        />
        {others.map(({ key, user, clients, info }) => {
          const own = new Set(clients.map(({ connInfo }) => told(connInfo).tab))
          const shown = seen.filter(({ tab }) => own.has(tab))
          const best = shown.find(({ connected }) => connected) ?? shown[0]
          const stream = best?.connected ? best.stream : undefined
          return <Tile key={key} name={told(info).name} id={user} tabs={clients.length} stream={stream} />
        })}
        {unseen.map(({ tab, stream }) => (
          <Tile
            key={tab}
            name={`${names.get(tab)?.name ?? 'somebody'} (video only)`}
            id={names.get(tab)?.user ?? tab}
            tabs={1}
            stream={stream}
          />
        ))}
      </ul>
      <Pointers />
    </section>
  )
}

/** Of everyone who was ever here, for those who are only seen by now. */
function useNames(people: readonly PresentUser[]) {
  const names = useRef(new Map<string, { name: string; user: string }>())
  for (const { user, clients } of people) {
    for (const { connInfo } of clients) {
      const { tab, name } = told(connInfo)
      names.current.set(tab, { name, user })
    }
  }
  for (const tab of names.current.keys()) if (names.current.size > mostNames) names.current.delete(tab)
  return names.current
}

const mostNames = 200

interface TileProps {
  readonly name: string
  readonly id: string
  readonly tabs: number
  readonly stream: MediaStream | undefined
  readonly mirrored?: boolean
  readonly muted?: boolean
}

function Tile({ name, id, tabs, stream, mirrored = false, muted = false }: TileProps) {
  const video = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    if (video.current) video.current.srcObject = stream ?? null
  }, [stream])
  return (
    <li className="tile" style={colourOf(id)}>
      <video
        ref={video}
        autoPlay
        playsInline
        muted={muted}
        className={mirrored ? 'mirrored' : ''}
        aria-label={`Video of ${name}`}
      />
      {!stream && <p className="waiting">connecting…</p>}
      <p className="who">
        {name}
        {tabs > 1 && <span className="tabs">{tabs} tabs</span>}
      </p>
    </li>
  )
}
