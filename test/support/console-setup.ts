import type { Holdfast } from '../../src/app/index.ts'

/** What the nodes of the console's test do with events: receipts need an account, and are parked while there is none. */
export function setup(hf: Holdfast): void {
  hf.group('receipts', { maxAttempts: 1 }).on('order:{id}', 'PaymentCaptured', async (_, { tx }) => {
    const accounts = await tx`select 1 from public.accounts`
    if (accounts.length === 0) throw new Error('no such account')
  })
}

export const accountsTable = 'create table public.accounts (name text)'
