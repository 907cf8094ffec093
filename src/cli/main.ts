import { buildProgram } from './program.ts'
import { exitCodeOf, report } from './report.ts'

// Under a supervisor (`npm start`, `holdfast dev`, the shim for an old Node) its end is ours, even if it was killed.
if (process.env['HOLDFAST_SUPERVISED'] && process.channel) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
// Output cut off by the reader (`holdfast tail … | head`) is an end, not a failure.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  report(error)
  process.exitCode = exitCodeOf(error)
}
