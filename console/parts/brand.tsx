/** A cleat with a rope around it: holds fast. */
export function Brand() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" fill="none" stroke="currentColor">
      <path d="M2.5 8.5h19M8 8.5v8M16 8.5v8M5.5 19.5h13" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M4 15.5c5 2.5 11-9.5 16-7" strokeWidth="1.6" strokeLinecap="round" />
    </svg>
  )
}
