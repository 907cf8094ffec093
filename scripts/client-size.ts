// How many bytes a front end sends for the client: `npm run size`. As a bundler makes it, minified, and compressed as
// servers compress it.
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export interface ClientSizes {
  /** In bytes, gzipped: all of `@holdfast/client`, with and without the SDK underneath. */
  readonly whole: number
  readonly own: number
  /** What `@holdfast/client/react` adds to it, without React. */
  readonly react: number
}

const entry = (path: string) =>
  JSON.stringify(fileURLToPath(new URL(`../src/client/${path}`, import.meta.url)))

export async function clientSizes(): Promise<ClientSizes> {
  const client = `export * from ${entry('index.ts')};`
  const hooks = `export * from ${entry('react/index.ts')};`
  const [whole, own, withHooks] = await Promise.all([
    gzipped(client, []),
    gzipped(client, ['centrifuge']),
    gzipped(client + hooks, ['centrifuge', 'react']),
  ])
  return { whole, own, react: withHooks - own }
}

async function gzipped(contents: string, external: readonly string[]): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('..', import.meta.url)), loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: [...external],
    write: false,
  })
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
}

if (import.meta.main) {
  const { whole, own, react } = await clientSizes()
  const kb = (bytes: number) => `${(bytes / 1_000).toFixed(1)} KB`
  console.log(
    `@holdfast/client: ${kb(whole)} gzipped, of which ${kb(whole - own)} are centrifuge and ${kb(own)} ours`,
  )
  console.log(`@holdfast/client/react: ${kb(react)} more, without React`)
}
