import { Centrifuge, type PublicationContext, type Subscription } from 'centrifuge'
import { SignJWT } from 'jose'
import { tokenSecret } from './cluster.ts'
import { until } from './until.ts'

/** A connection token for the shared secret. */
export function token(user: string, claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(tokenSecret))
}

/** The official SDK, connected as `user`; what it reports as errors is kept instead of printed. */
export async function connect(
  url: string,
  user: string,
  options: Record<string, unknown> = {},
): Promise<Centrifuge> {
  const client = new Centrifuge(url, {
    token: await token(user),
    minReconnectDelay: 20,
    maxReconnectDelay: 300,
    // Its five seconds are little on a machine that runs other tests beside this.
    timeout: 20_000,
    ...options,
  })
  client.on('error', () => undefined)
  client.connect()
  await client.ready(20_000)
  return client
}

export interface Recorded {
  readonly subscription: Subscription
  readonly publications: PublicationContext[]
  offsets(): number[]
  data(): unknown[]
}

/** Subscribes and records every publication in the order in which the SDK hands it over. */
export async function subscribe(
  client: Centrifuge,
  channel: string,
  options: Record<string, unknown> = {},
): Promise<Recorded> {
  const subscription = client.newSubscription(channel, options)
  const publications: PublicationContext[] = []
  subscription.on('publication', context => publications.push(context))
  subscription.on('error', () => undefined)
  subscription.subscribe()
  await subscription.ready(10_000)
  return {
    subscription,
    publications,
    offsets: () => publications.map(each => each.offset ?? 0),
    data: () => publications.map(each => each.data),
  }
}

/** Waits for `count` publications and for nothing else to come within a moment of quiet from a marker. */
export async function received(recorded: Recorded, count: number, limitMs = 30_000): Promise<void> {
  await until(
    `${count} publications have come (there are ${recorded.publications.length})`,
    () => {
      return recorded.publications.length >= count
    },
    limitMs,
  )
}

export function dense(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1)
}
