import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const folder = new URL('scripts/', import.meta.url)

describe.each(readdirSync(folder))('the script %s', file => {
  const text = readFileSync(new URL(file, folder), 'utf8')

  it('says what it is for, takes and returns, and is named by its number of keys', () => {
    const code = text.replace(/^--.*$/gm, '')
    const used = [...code.matchAll(/KEYS\[(\d+)\]/g)].map(([, index]) => Number(index))
    expect(file).toMatch(new RegExp(`^[a-z]+-[a-z]+-${Math.max(0, ...used)}\\.lua$`))
    for (const word of [/^-- KEYS/m, /^-- ARGV/m, /^-- RETURN/m]) expect(text).toMatch(word)
  })
})
