import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/**
 * Two groups, one after the other: rooms by themselves, then whole systems of processes. Most of the time a test waits for
 * servers, so there are more workers than cores would suggest.
 */
export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // For the processes that tests start: they compile what an earlier one has compiled only once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('./node_modules/.cache/compiled', import.meta.url)) },
    // Real servers on a machine that others use too: where a run decides about a release, one starved second is not to.
    retry: process.env['CI'] ? 1 : 0,
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['src/**/*.test.ts', 'bench/**/*.test.ts'],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'systems', include: ['test/**/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
