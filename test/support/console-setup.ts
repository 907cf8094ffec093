import { defineReducer, done, type Holdfast } from '../../src/app/index.ts'

/**
 * What the nodes of the console's test do with events: receipts need an account, and are parked while there is none;
 * refunds always are; a mail goes where its channel is known.
 */
export function setup(hf: Holdfast): void {
  hf.group('receipts', { maxAttempts: 1 }).on('order:{id}', 'PaymentCaptured', async (_, { tx }) => {
    const accounts = await tx`select 1 from public.accounts`
    if (accounts.length === 0) throw new Error('no such account')
  })
  hf.group('refunds', { maxAttempts: 1 }).on('order:{id}', 'PaymentRefunded', () => {
    throw new Error('the bank refuses')
  })
  hf.rule('mail', { on: { channel: 'order:{id}', type: 'MailWanted' }, handler: 'mail', attempts: 1 })
  hf.job('mail', async ({ channel }, { tx }) => {
    const known = await tx`select 1 from public.mailboxes where channel = ${channel}`
    if (known.length === 0) throw new Error('no such mailbox')
    return done()
  })
  hf.projection(
    defineReducer({
      name: 'ticks',
      version: 1,
      channels: 'order:{id}',
      types: ['Ticked'],
      initial: () => 0,
      evolve: count => count + 1,
    }),
  )
}

export const consoleTables = `
  create table public.accounts (name text);
  create table public.mailboxes (channel text)`

/** What the clock and webhooks would do; neither comes to it while a test runs. */
export const consoleJobs = {
  rules: {
    partner: {
      on: { channel: 'order:*', type: 'Never' },
      webhook: {
        url: 'https://partner.example/hooks',
        secrets: [`whsec_${Buffer.alloc(24, 7).toString('base64')}`],
      },
    },
  },
  schedules: {
    yearly: { cron: '0 0 29 2 *', append: { channel: 'order:yearly', type: 'YearBegan', data: {} } },
  },
}
