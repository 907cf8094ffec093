import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { delimiter, dirname } from 'node:path'
import { root } from './paths.mjs'

/** Something the user can act on: shown as one message, never as a stack trace. */
export class Problem extends Error {}

/**
 * Runs the steps one after another with `node` first on the PATH and stops at the first that fails.
 * @returns {Promise<number>} the exit code
 */
export async function runAll(node, steps) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  for (const args of steps) {
    const code = await run(node, args, env)
    if (code !== 0) return code
  }
  return 0
}

function run(node, args, env) {
  return new Promise((resolve, reject) => {
    const ours = args[0] === 'bin/holdfast'
    // The ipc channel tells our own programs when this process is gone, even if it was killed.
    const child = spawn(node, args, {
      cwd: root,
      env: ours ? { ...env, HOLDFAST_SUPERVISED: '1' } : env,
      stdio: ['inherit', 'inherit', 'inherit', ...(ours ? ['ipc'] : [])],
    })
    const stopForwarding = forwardSignals(child)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      stopForwarding()
      resolve(code ?? 128 + (constants.signals[signal] ?? 1))
    })
  })
}

/** A terminal sends Ctrl-C to the child as well; everyone else sends a signal to this process alone. */
function forwardSignals(child) {
  const sent = new Set()
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map(signal => {
    const handler = () => {
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      if (sent.has(signal)) return
      sent.add(signal)
      child.kill(signal)
    }
    process.on(signal, handler)
    return [signal, handler]
  })
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}
