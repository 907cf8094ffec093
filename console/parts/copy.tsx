import { useEffect, useState } from 'react'

/** Over plain HTTP a page has no clipboard of its own: there the browser is asked to copy a selection, as Ctrl+C would. */
export function Copy({ text, label = 'Copy' }: { text: () => string; label?: string }) {
  const [said, setSaid] = useState('')
  useEffect(() => {
    if (said === '') return undefined
    const timer = setTimeout(() => setSaid(''), 2_000)
    return () => clearTimeout(timer)
  }, [said])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text())
      setSaid('Copied')
    } catch {
      setSaid(copyByHand(text()) ? 'Copied' : 'Not allowed by the browser')
    }
  }
  return (
    <button type="button" className="plain" onClick={() => void copy()}>
      <span role="status">{said || label}</span>
    </button>
  )
}

function copyByHand(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'hidden-text'
  document.body.append(area)
  area.select()
  // Deprecated, and the only way where the page is not served over TLS.
  const done = document.execCommand('copy')
  area.remove()
  return done
}
