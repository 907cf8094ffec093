import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'vite'
import { configOf } from './config.mjs'
import { outOf } from './names.mjs'
import { stamp, stampOf } from './stamp.mjs'

// Whoever starts this may have another environment, as tests have: React would be built with its warnings.
process.env.NODE_ENV = 'production'

const worthwhileBytes = 1_024

/** Builds a page beside the one that is there and puts it in its place, so that nobody is served half of one. */
export async function buildPage(name) {
  const began = Date.now()
  const sources = stampOf(name)
  const fresh = `${outOf(name)}.${process.pid}`
  const old = `${fresh}.old`
  try {
    await build(configOf(name, fresh))
    compress(fresh)
    renameIfThere(outOf(name), old)
    renameSync(fresh, outOf(name))
    stamp(name, sources)
  } finally {
    for (const each of [fresh, old]) rmSync(each, { recursive: true, force: true })
  }
  console.log(`built dist/pages/${name} (${Date.now() - began} ms)`)
}

/** Goes on until the process is ended. */
export async function watchPage(name) {
  const config = configOf(name, outOf(name))
  await build({ ...config, logLevel: 'info', build: { ...config.build, watch: {} } })
}

/** Beside each file what a browser is sent in its place: compressed once, instead of for each visitor. */
function compress(folder) {
  for (const file of globSync(`${folder}/**/*.{js,css,html,svg}`)) {
    const text = readFileSync(file)
    if (text.length < worthwhileBytes) continue
    writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }))
    writeFileSync(`${file}.br`, brotliCompressSync(text))
  }
}

function renameIfThere(from, to) {
  try {
    renameSync(from, to)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}
