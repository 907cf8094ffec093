import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import { SlowFirst } from './test/support/slow-first.ts'

const rooms = { maxWorkers: 3, sequence: { groupOrder: 0 } }

/**
 * Rooms by themselves, then whole systems of processes. Most of the time a test waits for servers, so there are more
 * workers than cores would suggest.
 */
export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    sequence: { sequencer: SlowFirst },
    // For the processes that tests start: they compile what an earlier one has compiled only once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('./node_modules/.cache/compiled', import.meta.url)) },
    // Real servers on a machine that others use too: where a run decides about a release, one starved second is not to.
    retry: process.env['CI'] ? 1 : 0,
    projects: [
      {
        extends: true,
        test: { ...rooms, name: 'rooms', include: ['{src,bench}/**/*.int.test.ts'] },
      },
      {
        extends: true,
        test: {
          ...rooms,
          name: 'units',
          include: ['{src,bench}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, '**/*.int.test.ts'],
          // No module keeps state, so a process and what it has imported serve many files: more than half of their time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'systems', include: ['test/**/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
