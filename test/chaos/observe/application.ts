import { done, type Holdfast, park } from '../../../src/app/index.ts'
import { setup as setupAccount } from '../holdfast/account.ts'

/** An application that uses all there is: an aggregate, a group that gives up on some events, and a job. */
export function setup(hf: Holdfast): void {
  setupAccount(hf)
  hf.group('receipts', { mode: 'competing' }).on('past:{id}', '*', async ({ type }) =>
    type === 'Poison' ? park('nobody can handle it') : done(),
  )
  hf.job('note', async () => done())
}
