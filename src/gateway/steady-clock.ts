/** The steady clock of this process, in milliseconds: what the session lives by, because the machine's clock can jump. */
export function steadyNow(): number {
  return performance.now()
}

/**
 * When something expires, by the steady clock. A jump of the machine's clock neither ends nor prolongs what was
 * granted before it; what is granted after it is judged by the new time.
 * @param expireAt seconds since 1970; undefined: never
 */
export function steadyExpiry(expireAt: number | undefined): number | undefined {
  return expireAt === undefined ? undefined : steadyNow() + expireAt * 1000 - Date.now()
}
