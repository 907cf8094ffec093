import { setTimeout as delay } from 'node:timers/promises'
import type { Fault, Running, Stage } from '../types.ts'

/** Faults that can be in force together strike different parts. */
type Part = 'redis' | 'postgres' | 'node' | 'worker'

/** In this order they end: a process that is started again needs its servers. */
const parts: readonly Part[] = ['redis', 'postgres', 'node', 'worker']

/** Not in the mix: those that start processes while they are in force, and what is a mix itself. */
const left: ReadonlySet<string> = new Set(['redis-mix', 'worker-killed', 'worker-clock-forward'])

/** How often each part is struck in a round that is not quiet. */
const struck = 0.45
const quiet = 0.25

/**
 * Shifting subsets of all these faults, of each part at most one at a time, a quarter of the rounds quiet. What is done
 * when is drawn from the seed; how long each takes is the machine's.
 */
export function mix(faults: readonly Fault[]): Fault {
  const byPart = new Map(parts.map(part => [part, faults.filter(fault => partOf(fault) === part)]))
  return {
    name: 'everything-mix',
    about:
      'shifting subsets of the faults of Redis, Postgres, nodes and workers, by chance, a quarter of the time quiet',
    holdMs: 25_000,
    strikes: [0, 1],
    suits: system => system.name === 'holdfast',
    async inject(stage, running, random) {
      const over = new AbortController()
      const rounds = shift(byPart, { stage, running, random, over: over.signal })
      // It is thrown where it is waited for.
      rounds.catch(() => undefined)
      return async () => {
        over.abort()
        await rounds
      }
    },
  }
}

function partOf({ name, spoils }: Fault): Part | undefined {
  if (spoils || left.has(name) || name.includes('clock')) return undefined
  return parts.find(part => name.startsWith(part))
}

async function shift(
  byPart: ReadonlyMap<Part, readonly Fault[]>,
  round: { stage: Stage; running: Running; random: () => number; over: AbortSignal },
): Promise<void> {
  const { stage, running, random, over } = round
  while (!over.aborted) {
    const isQuiet = random() < quiet
    const chosen = parts.flatMap(part => {
      const all = byPart.get(part) ?? []
      const fault = all[Math.floor(random() * all.length)]
      return random() < struck && fault && !isQuiet ? [fault] : []
    })
    const ends: (() => Promise<void>)[] = []
    const failed: unknown[] = []
    const fail = (error: unknown) => void failed.push(error)
    // Whatever comes of one, all that were begun end.
    for (const fault of chosen)
      await fault.inject(stage, running, random).then(end => void ends.push(end), fail)
    await delay(1_000 + 3_000 * random(), undefined, { signal: over }).catch(() => undefined)
    for (const end of ends) await end().catch(fail)
    if (failed.length > 0) throw failed[0]
    await delay(500 + 1_500 * random(), undefined, { signal: over }).catch(() => undefined)
  }
}
