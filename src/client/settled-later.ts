/** A promise, and how it is settled. As `Promise.withResolvers`, which not every browser that is in use has. */
export interface SettledLater {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Its rejection may go unnoticed: it is told elsewhere too. */
export function settledLater(): SettledLater {
  let resolve = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => undefined)
  return { promise, resolve: () => resolve(), reject: error => reject(error) }
}
