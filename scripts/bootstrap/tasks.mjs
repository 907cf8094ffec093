const biome = ['node_modules/@biomejs/biome/bin/biome', 'check']
const tsc = project => ['node_modules/typescript/bin/tsc', '-p', project]
const types = [tsc('.'), tsc('tsconfig.pages.json')]
const pages = ['scripts/pages.mjs', '--if-changed']
const vitest = ['node_modules/vitest/vitest.mjs', 'run']

const tasks = {
  start: rest => [['bin/holdfast', 'dev', ...rest]],
  test: rest => [['scripts/bring-chromium.ts'], ['scripts/bring-prometheus.ts'], pages, [...vitest, ...rest]],
  lint: rest => [[...biome, ...rest]],
  types: rest => types.map(each => [...each, ...rest]),
  check: () => [biome, ...types, [...vitest, 'test/architecture.test.ts']],
  build: rest => [['scripts/build.mjs', ...rest]],
  bench: rest => [['bench/run.ts', ...rest]],
  size: rest => [['scripts/client-size.ts', ...rest]],
  chaos: rest => [['test/chaos/run.ts', ...rest]],
  migrate: rest => [['bin/holdfast', 'migrate', ...rest]],
}

export const taskNames = Object.keys(tasks)

/** The Node command lines of a task; what stands behind `--` on npm's command line goes to the last tool. */
export function stepsOf(task, rest) {
  return tasks[task](rest)
}
