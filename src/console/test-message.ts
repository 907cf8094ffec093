import { z } from 'zod'
import { newEventId } from '../domain/index.ts'
import type { Router } from '../gateway/index.ts'
import { plainText } from './selection.ts'
import type { TestMessageSent } from './wire-work.ts'

export const testMessage = z.strictObject({
  channel: plainText(1, 255),
  type: plainText(1, 255).optional(),
  data: z.unknown(),
})

const defaultType = 'console.test'

/** @throws HoldfastError what the router throws */
export async function sendTestMessage(
  router: Router,
  { channel, type = defaultType, data }: z.output<typeof testMessage>,
): Promise<TestMessageSent> {
  const { tier } = router.options(channel)
  const begun = performance.now()
  const text = JSON.stringify(data) ?? 'null'
  const tookMs = () => Math.round((performance.now() - begun) * 10) / 10
  if (tier === 'durable') {
    const id = newEventId()
    const { offset, epoch } = await router.append({ channel, type, data: text, id })
    const says = `${channel} has it as event ${offset}.`
    return { says, changed: true, tier, offset, epoch, id, tookMs: tookMs() }
  }
  const place = await router.publish({ channel, data: text })
  const says = `The node has accepted it for ${channel}.`
  return {
    ...{ says, changed: true, tier, id: null, tookMs: tookMs() },
    ...{ offset: place?.offset ?? null, epoch: place?.epoch ?? null },
  }
}
