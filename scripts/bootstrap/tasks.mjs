const biome = ['node_modules/@biomejs/biome/bin/biome', 'check']
const types = ['node_modules/typescript/bin/tsc', '-p', '.']
const vitest = ['node_modules/vitest/vitest.mjs', 'run']

const tasks = {
  start: rest => [['bin/holdfast', 'dev', ...rest]],
  test: rest => [['scripts/bring-chromium.ts'], [...vitest, ...rest]],
  lint: rest => [[...biome, ...rest]],
  types: rest => [[...types, ...rest]],
  check: () => [biome, types, [...vitest, 'test/architecture.test.ts']],
  build: rest => [['scripts/build.mjs', ...rest]],
  bench: rest => [['bench/run.ts', ...rest]],
  chaos: rest => [['test/chaos/run.ts', ...rest]],
  migrate: rest => [['bin/holdfast', 'migrate', ...rest]],
}

export const taskNames = Object.keys(tasks)

/** The Node command lines of a task; what stands behind `--` on npm's command line goes to the last tool. */
export function stepsOf(task, rest) {
  return tasks[task](rest)
}
