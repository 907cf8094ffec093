import { createClient } from '@holdfast/client'
import { useEffect, useState } from 'react'

export function App() {
  const [state, setState] = useState('connecting')
  useEffect(() => {
    const client = createClient(location.origin.replace(/^http/, 'ws'), { onState: setState })
    client.connect().catch(() => undefined)
    return () => client.disconnect()
  }, [])
  return (
    <main>
      <h1>Console</h1>
      <p>This node: {state}</p>
    </main>
  )
}
