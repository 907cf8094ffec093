import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { canReach } from './server-account.ts'

describe('what another user can reach', () => {
  const stranger = { uid: 4_242, gid: 4_242 }
  let base: string
  let inner: string

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-reach-'))
    inner = join(base, 'a/b')
    mkdirSync(inner, { recursive: true })
    for (const folder of [base, join(base, 'a'), inner]) chmodSync(folder, 0o755)
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))

  it('is everything where no other user is needed', () => {
    chmodSync(base, 0o700)
    expect(canReach(inner, undefined)).toBe(true)
  })

  it('is what lies behind open folders, whether it exists yet or not', () => {
    expect(canReach(inner, stranger)).toBe(true)
    expect(canReach(join(inner, 'not/there/yet'), stranger)).toBe(true)
  })

  it('ends at a closed folder, however far up', () => {
    chmodSync(base, 0o700)
    expect(canReach(inner, stranger)).toBe(false)
    expect(canReach(join(inner, 'not/there/yet'), stranger)).toBe(false)
    // May be passed through, which is enough for what lies below, and not for reading it.
    chmodSync(base, 0o711)
    expect(canReach(inner, stranger)).toBe(true)
    expect(canReach(base, stranger)).toBe(false)
  })

  it('asks the bits of the owner and of the group where these are the user’s', () => {
    const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    chmodSync(base, 0o700)
    expect(canReach(inner, { uid, gid: 4_242 })).toBe(true)
    chmodSync(base, 0o750)
    expect(canReach(inner, { uid: 4_242, gid })).toBe(true)
    chmodSync(base, 0o705)
    expect(canReach(inner, { uid: 4_242, gid })).toBe(false)
  })

  it('needs a program to be readable and executable', () => {
    const program = join(inner, 'program')
    writeFileSync(program, '', { mode: 0o700 })
    expect(canReach(program, stranger)).toBe(false)
    chmodSync(program, 0o755)
    expect(canReach(program, stranger)).toBe(true)
  })
})
