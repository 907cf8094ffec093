import { createHoldfast } from '../../../src/app/index.ts'
import { nodeConfig } from './config.ts'
import { countedModel, spokenModel } from './read-models.ts'

/*
 * A process that works for an ordered and a competing group, and on two read models. Every event has one effect per group: a
 * row in a table that takes duplicates, so that a second one is seen.
 */
const port = process.env['HOLDFAST_PORT']
const hf = await createHoldfast({
  ...nodeConfig,
  ...(port && { role: 'worker', http: { host: '127.0.0.1', port: Number(port) } }),
  redis: { url: process.env['REDIS_URL'] },
  postgres: { url: process.env['DATABASE_URL'] },
  log: { level: 'error' },
})
for (const mode of ['ordered', 'competing'] as const) {
  const group = hf.group(`effects-${mode}`, { mode, maxAttempts: 1_000, retryMs: { first: 50, most: 500 } })
  for (const pattern of ['order:{run}', 'account:{run}'])
    group.on(pattern, '*', async ({ channel, data }, { tx }) => {
      const { value } = data as { value: string }
      await tx`insert into chaos.effects (processor, channel, value) values (${mode}, ${channel}, ${value})`
    })
}
hf.projection(countedModel)
hf.projection(spokenModel)
process.once('SIGTERM', async () => {
  await hf.close()
})
// With a port it answers health and metrics there.
await (port ? hf.listen() : hf.work())
console.log('at work')
