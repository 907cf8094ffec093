import react from '@vitejs/plugin-react'
import { inRoot } from '../bootstrap/paths.mjs'

/**
 * How a page is built. The names of the client's package are the client's sources here, so that a page reads as the
 * front end of anyone who has installed it.
 * @returns {import('vite').InlineConfig}
 */
export function configOf(name, outDir) {
  return {
    configFile: false,
    envDir: false,
    root: inRoot(name),
    base: `/${name}/`,
    publicDir: false,
    logLevel: 'warn',
    plugins: [react()],
    resolve: {
      alias: [
        { find: '@holdfast/client/react', replacement: inRoot('src/client/react/index.ts') },
        { find: '@holdfast/client', replacement: inRoot('src/client/index.ts') },
      ],
    },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      // Inlined data and scripts are what the content security policy keeps out.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  }
}
