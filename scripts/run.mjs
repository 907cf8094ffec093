// Runs one task of this checkout (`npm start`, `npm test`, …) on a machine that has nothing but Node 18+ and npm:
// brings the dependencies and a Node that is new enough, then hands over. Plain JavaScript, no dependencies.
import { ensureDependencies } from './bootstrap/dependencies.mjs'
import { ensureNode } from './bootstrap/node.mjs'
import { Problem, runAll } from './bootstrap/run-all.mjs'
import { stepsOf, taskNames } from './bootstrap/tasks.mjs'

const [task = '', ...rest] = process.argv.slice(2)

try {
  if (!taskNames.includes(task)) throw new Problem(`expected one of: ${taskNames.join(', ')}; got "${task}"`)
  ensureDependencies()
  const node = ensureNode()
  process.exitCode = await runAll(node, stepsOf(task, rest))
} catch (error) {
  if (!(error instanceof Problem)) throw error
  console.error(`holdfast: ${error.message}`)
  process.exitCode = 1
}
