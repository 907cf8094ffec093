import { inRoot } from '../bootstrap/paths.mjs'

export const pageNames = ['console', 'demo']

/** Where a page is served from. */
export const outOf = name => inRoot('dist/pages', name)
