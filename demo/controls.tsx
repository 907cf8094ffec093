import { useHoldfast } from '@holdfast/client/react'
import { useEffect, useState } from 'react'
import type { Camera } from './camera.ts'
import { useStage } from './use-stage.ts'

export function Controls({ camera, onLeave }: { camera: Camera | undefined; onLeave: () => void }) {
  const { nodes, canStopRedis } = useStage()
  const other = nodes.find(node => node !== location.origin)
  return (
    <footer className="controls">
      <Track camera={camera} kind="audio" on="Mute" off="Unmute" />
      <Track camera={camera} kind="video" on="Hide video" off="Show video" />
      {other && (
        <a className="button" href={`${other}/demo/${location.hash}`} target="_blank" rel="noreferrer">
          Open the other node
        </a>
      )}
      {canStopRedis && <StopRedis />}
      <button type="button" className="leave" onClick={onLeave}>
        Leave
      </button>
    </footer>
  )
}

interface TrackProps {
  readonly camera: Camera | undefined
  readonly kind: 'audio' | 'video'
  /** What pressing it does. */
  readonly on: string
  readonly off: string
}

function Track({ camera, kind, on, off }: TrackProps) {
  const track = camera?.stream.getTracks().find(each => each.kind === kind)
  const [enabled, setEnabled] = useState(false)
  useEffect(() => setEnabled(track?.enabled ?? false), [track])
  if (!track) return null
  return (
    <button
      type="button"
      onClick={() => {
        track.enabled = !track.enabled
        setEnabled(track.enabled)
      }}
    >
      {enabled ? on : off}
    </button>
  )
}

/** Development only: what happens when Redis is away for ten seconds? */
function StopRedis() {
  const client = useHoldfast()
  const [left, setLeft] = useState(0)
  useEffect(() => {
    if (left <= 0) return
    const timer = setTimeout(() => setLeft(left - 1), 1_000)
    return () => clearTimeout(timer)
  }, [left])
  const stop = async () => {
    const { awayMs } = await client.rpc<{ awayMs: number }>('demo.stop_redis').catch(() => ({ awayMs: 0 }))
    setLeft(Math.round(awayMs / 1_000))
  }
  return (
    <button type="button" className="danger" onClick={stop} disabled={left > 0}>
      {left > 0 ? `Redis is stopped: ${left} s` : 'Stop Redis for 10 seconds'}
    </button>
  )
}
