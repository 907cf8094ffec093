import type { ContractCheck } from '../contract/index.ts'
import { HoldfastError } from '../domain/index.ts'
import { PublicationCounts, type Router } from '../gateway/index.ts'

/**
 * A router that refuses what does not match the contract, whoever sends it: a client's append or signal (which is a
 * publication to some), the HTTP API, or the application itself. The data is parsed for the check only; what is
 * carried on is the text that came.
 */
export function withContract(
  router: Router,
  check: ContractCheck,
  checkTimeoutMs: number,
  counts = new PublicationCounts(),
): Router {
  const checks = new ChecksInOrder(check, checkTimeoutMs)
  /** Undefined for a channel that does not exist. */
  const countsOf = (channel: string) => {
    try {
      return counts[router.options(channel).tier]
    } catch {
      return undefined
    }
  }
  /** What is refused here never comes to the router, which counts all others. */
  async function pass<T>(message: Checked, act: () => Promise<T>): Promise<T> {
    let passed = false
    try {
      return await checks.pass(message, () => {
        passed = true
        return act()
      })
    } catch (error) {
      if (!passed) countsOf(message.channel)?.failed(error)
      throw error
    }
  }
  return {
    ...router,
    publish: async publication =>
      pass({ type: 'publication', ...publication }, () => router.publish(publication)),
    append: async event => pass(event, () => router.append(event)),
    signal: async signal => pass({ type: 'publication', ...signal }, () => router.signal(signal)),
  }
}

interface Checked {
  readonly channel: string
  readonly type: string
  readonly data: string
}

/**
 * Where a schema is synchronous nothing waits. Asynchronous checks of one channel run side by side, and what passes
 * them goes on in the order in which it came: else two messages of one sender could change places.
 */
class ChecksInOrder {
  readonly #check: ContractCheck
  readonly #timeoutMs: number
  /** By channel, the last message that waits for its check or for its turn. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(check: ContractCheck, timeoutMs: number) {
    this.#check = check
    this.#timeoutMs = timeoutMs
  }

  /** @throws HoldfastError PAYLOAD_INVALID, DEPENDENCY_TIMEOUT (a schema takes too long), and what `act` throws */
  pass<T>({ channel, type, data }: Checked, act: () => Promise<T>): Promise<T> {
    const checking = this.#check(channel, type, JSON.parse(data))
    const checked = checking && this.#inTime(checking)
    const before = this.#last.get(channel)
    if (!checked && !before) return act()
    const turn = Promise.allSettled([checked, before]).then(([{ status }]) => {
      if (this.#last.get(channel) === turn) this.#last.delete(channel)
      // In an object, so that the next one waits for the beginning of the act and not for its end.
      return { outcome: status === 'fulfilled' ? act() : (checked as Promise<never>) }
    })
    this.#last.set(channel, turn)
    return turn.then(({ outcome }) => outcome)
  }

  /** Foreign code, behind which all later messages of the channel wait. */
  async #inTime(checking: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `the contract's schema took longer than ${this.#timeoutMs} ms`
        reject(new HoldfastError('DEPENDENCY_TIMEOUT', message))
      }, this.#timeoutMs)
    })
    try {
      await Promise.race([checking, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
