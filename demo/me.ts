/** Who this page is to others. */
export interface Me {
  /** The same in all tabs of this browser: several tabs are one person. */
  readonly id: string
  /** This tab, as long as it is open. A connection's id changes when it is lost; this does not. */
  readonly tab: string
  readonly name: string
  readonly room: string
}

export function me(name: string): Me {
  return {
    id: kept(localStorage, 'meeting.person'),
    tab: crypto.randomUUID(),
    name,
    room: roomOf(location.hash),
  }
}

/** `#/lobby` names the room. */
export function roomOf(hash: string): string {
  return /^#\/([\w-]{1,40})$/.exec(hash)?.[1] ?? 'lobby'
}

/** The name that was used last, in this tab or in another one. */
export const lastName = {
  get: () => localStorage.getItem('meeting.name') ?? '',
  set: (name: string) => localStorage.setItem('meeting.name', name),
}

/** Whether this tab was in the meeting when it was loaded again. */
export const joined = {
  get: () => sessionStorage.getItem('meeting.joined') !== null,
  set: (is: boolean) => {
    if (is) sessionStorage.setItem('meeting.joined', 'yes')
    else sessionStorage.removeItem('meeting.joined')
  },
}

function kept(storage: Storage, key: string): string {
  const found = storage.getItem(key)
  if (found) return found
  const made = crypto.randomUUID()
  storage.setItem(key, made)
  return made
}
