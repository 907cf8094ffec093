// Writes the dashboards and rules that Grafana and Prometheus read; with --check it only says whether they are up to date.
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { generatedFiles } from './files.ts'

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
let stale = 0
for (const [path, content] of generatedFiles()) {
  const file = new URL(path, import.meta.url)
  if ((await readFile(file, 'utf8').catch(() => '')) === content) continue
  stale++
  if (values.check) console.error(`observability/${path} is not what its source says`)
  else {
    await writeFile(file, content)
    console.log(`written: observability/${path}`)
  }
}
if (values.check && stale > 0) {
  console.error('node observability/generate.ts brings them up to date')
  process.exitCode = 1
}
