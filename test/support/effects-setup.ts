import type { Holdfast } from '../../src/app/index.ts'

/*
 * What the nodes of a test that replaces them do with events: a competing and an ordered group write a row for each into
 * `effects`, which takes duplicates.
 */
export function setup(hf: Holdfast): void {
  for (const mode of ['competing', 'ordered'] as const) {
    hf.group(mode, { mode }).on('order:{id}', '*', async ({ id }, { tx }) => {
      await tx`insert into public.effects ("group", id) values (${mode}, ${id})`
    })
  }
}

/** The table has to be there before the first node starts to work. */
export const effectsTable = 'create table public.effects ("group" text, id uuid)'
