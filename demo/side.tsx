import { type KeyboardEvent, useEffect, useState } from 'react'
import { Chat } from './chat.tsx'
import { Decisions } from './decisions.tsx'
import { useMe } from './meeting.ts'
import { Quakes } from './quakes.tsx'
import { useRead } from './unread.ts'

const tabs = ['chat', 'decisions', 'earthquakes'] as const
type Tab = (typeof tabs)[number]

/** What is recorded: chat, decisions, and a table made of events. */
export function Side({ onUnread }: { onUnread: (count: number) => void }) {
  const me = useMe()
  const [open, setOpen] = useState<Tab>('chat')
  const chat = useRead(`chat:${me.room}`, open === 'chat')
  const decisions = useRead(`decision:${me.room}`, open === 'decisions')
  const unread: Readonly<Record<Tab, number>> = {
    chat: chat.unread,
    decisions: decisions.unread,
    earthquakes: 0,
  }
  useEffect(() => onUnread(chat.unread + decisions.unread), [onUnread, chat.unread, decisions.unread])

  const step = ({ key, currentTarget }: KeyboardEvent<HTMLElement>) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key]
    if (by === undefined) return
    const next = tabs[(tabs.indexOf(open) + by + tabs.length) % tabs.length] ?? open
    setOpen(next)
    currentTarget.querySelector<HTMLElement>(`#tab-${next}`)?.focus()
  }

  return (
    <aside className="side" aria-label="Recorded">
      <div role="tablist" aria-label="What to look at" onKeyDown={step}>
        {tabs.map(tab => (
          <button
            key={tab}
            type="button"
            role="tab"
            id={`tab-${tab}`}
            aria-selected={open === tab}
            aria-controls="panel"
            tabIndex={open === tab ? 0 : -1}
            onClick={() => setOpen(tab)}
          >
            {tab}
            {unread[tab] > 0 && (
              <span className="unread">
                {unread[tab]}
                <span className="hidden"> unread</span>
              </span>
            )}
          </button>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and has to by keyboard too */}
      <div role="tabpanel" id="panel" aria-labelledby={`tab-${open}`} className="panel" tabIndex={0}>
        {open === 'chat' && <Chat events={chat.events} whole={chat.whole} />}
        {open === 'decisions' && <Decisions events={decisions.events} />}
        {open === 'earthquakes' && <Quakes />}
      </div>
    </aside>
  )
}
