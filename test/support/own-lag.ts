/**
 * How late this process itself was at most, in milliseconds, from now until it is asked: what it says about a limit in
 * time of something else has to be given that much.
 */
export function ownLag(): () => number {
  let due = performance.now() + 10
  let most = 0
  const timer = setInterval(() => {
    const now = performance.now()
    most = Math.max(most, now - due)
    due = now + 10
  }, 10)
  return () => {
    clearInterval(timer)
    return most
  }
}
