import { useHoldfast } from '@holdfast/client/react'
import { useEffect, useState } from 'react'

/** What this machine has for trying out; nothing where the nodes are not those of `npm start`. */
export interface Stage {
  readonly nodes: readonly string[]
  readonly canStopRedis: boolean
}

export function useStage(): Stage {
  const client = useHoldfast()
  const [stage, setStage] = useState<Stage>({ nodes: [], canStopRedis: false })
  useEffect(() => {
    const end = new AbortController()
    const ask = async () => {
      if (client.state !== 'connected') return
      const told = await client.rpc<Stage>('demo.stage', null, { signal: end.signal }).catch(() => undefined)
      if (told) setStage(told)
    }
    ask()
    const off = client.on('state', ask)
    return () => {
      end.abort()
      off()
    }
  }, [client])
  return stage
}
