import { useCallback, useState } from 'react'

/** Kept where the browser allows it; a page in a window that keeps nothing works all the same. */
function read(storage: () => Storage, key: string): string | undefined {
  try {
    return storage().getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

function write(storage: () => Storage, key: string, value: string | undefined): void {
  try {
    if (value === undefined) storage().removeItem(key)
    else storage().setItem(key, value)
  } catch {
    // Then it lasts as long as the page.
  }
}

/** The token goes with the tab: whoever takes over the machine later finds nothing. */
export const savedToken = {
  read: () => read(() => sessionStorage, 'holdfast.console.token'),
  write: (token: string | undefined) => write(() => sessionStorage, 'holdfast.console.token', token),
}

/** A choice that outlasts the tab. */
export function useSetting<Value extends string>(
  name: string,
  values: readonly Value[],
  fallback: Value,
): [Value, (value: Value) => void] {
  const key = `holdfast.console.${name}`
  const [value, setValue] = useState(() => {
    const saved = read(() => localStorage, key)
    return values.find(each => each === saved) ?? fallback
  })
  const choose = useCallback(
    (next: Value) => {
      setValue(next)
      write(() => localStorage, key, next)
    },
    [key],
  )
  return [value, choose]
}
