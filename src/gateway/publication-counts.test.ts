import { expect, it } from 'vitest'
import { HoldfastError } from '../domain/index.ts'
import { TierPublications } from './publication-counts.ts'

it('tells what is the asker’s to change from what is an operator’s wish and from what is a fault', () => {
  const counts = new TierPublications(1)
  counts.failed(new HoldfastError('PAYLOAD_INVALID', 'no such field'))
  counts.failed(new HoldfastError('READ_ONLY', 'an operator has made it read-only'))
  counts.failed(new HoldfastError('OVERLOADED', 'later'))
  counts.failed(new Error('a mistake of ours'))
  expect(counts.outcomes).toEqual({ accepted: 0, duplicate: 0, refused: 1, read_only: 1, unavailable: 2 })
})
