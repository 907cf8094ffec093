import { useLayoutEffect, useRef, useState } from 'react'
import { Decisions } from './parts/act.tsx'
import { Help } from './parts/help.tsx'
import { Side } from './parts/side.tsx'
import { TopBar } from './parts/top-bar.tsx'
import { parseRoute } from './state/address.ts'
import { NowContext, useReading, useTicking } from './state/hooks.ts'
import { pages } from './state/pages.ts'
import { useHash } from './state/route.ts'
import { useSession } from './state/session.tsx'
import { useShortcuts } from './state/shortcuts.ts'

export function Shell() {
  const { skewMs } = useSession()
  const now = useTicking(skewMs)
  const hash = useHash()
  const { page: path, query } = parseRoute(hash)
  const page = pages.find(each => each.path === path) ?? pages[0]
  const overview = useReading('overview', { everyMs: 1_500 })
  const [menuOpen, setMenuOpen] = useState(false)
  const [helpOpen, setHelpOpen] = useState(false)
  const shortcuts = useShortcuts(() => setHelpOpen(open => !open))
  const main = useRef<HTMLElement>(null)
  const arrived = useRef({ path, hash })

  // Who goes to another page begins to read there, with eyes, keyboard or a screen reader; before the next key is heard.
  useLayoutEffect(() => {
    const before = arrived.current
    arrived.current = { path, hash }
    if (before.path !== path) {
      setMenuOpen(false)
      main.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    } else if (before.hash !== hash && document.activeElement === document.body)
      // A filter that shows what is wished now is made anew; the field that was in use is gone.
      main.current?.focus({ preventScroll: true })
  }, [path, hash])

  if (!page) return null
  const Shown = page.shown
  return (
    <NowContext value={now}>
      <a
        className="skip"
        href={`#/${page.path}`}
        onClick={event => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        Skip to the content
      </a>
      <div className="shell">
        <Side current={page.path} open={menuOpen} />
        <div className="page">
          <TopBar
            reading={overview}
            page={page.name}
            menuOpen={menuOpen}
            onMenu={() => setMenuOpen(open => !open)}
            onHelp={() => setHelpOpen(true)}
          />
          <main ref={main} tabIndex={-1}>
            <Decisions key={path}>
              <Shown query={query} />
            </Decisions>
          </main>
        </div>
      </div>
      {helpOpen ? <Help shortcuts={shortcuts} onClose={() => setHelpOpen(false)} /> : null}
    </NowContext>
  )
}
