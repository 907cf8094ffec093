import { afterEach, describe, expect, it, vi } from 'vitest'
import { table, withProgress } from './output.ts'

describe('a table', () => {
  it('stands its numbers at the right, and leaves empty what is not there', () => {
    const text = table(
      ['GROUP', 'LAG'],
      [
        ['receipts', 12_345],
        ['mail', 7],
        [null, 0],
      ],
    )
    expect(text.split('\n')).toEqual([
      'GROUP        LAG',
      'receipts  12,345',
      'mail           7',
      '               0',
    ])
  })
})

describe('progress', () => {
  const { isTTY } = process.stderr
  afterEach(() => {
    process.stderr.isTTY = isTTY
    vi.restoreAllMocks()
  })

  async function shown(tty: boolean): Promise<string> {
    process.stderr.isTTY = tty
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation(chunk => {
      written.push(String(chunk))
      return true
    })
    const result = await withProgress('redriving', 3_000, async step => {
      for (let n = 0; n < 3; n++) step(1_000)
      return 'all'
    })
    expect(result).toBe('all')
    return written.join('')
  }

  it('is a bar where somebody looks, with what is done of how much', async () => {
    const text = await shown(true)
    expect(text).toContain('redriving')
    expect(text).toContain('3000 of 3000')
  })

  it('is silent where another program reads', async () => {
    expect(await shown(false)).toBe('')
  })
})
