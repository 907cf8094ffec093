import type { Fault, Stage } from '../types.ts'
import { connectionsTaken } from './postgres-connections.ts'
import { postgresDiskFull } from './postgres-disk.ts'

type End = () => Promise<void>

/** What happens to a ledger: realtime must not notice, and appends must be answered, and be true afterwards. */
export const postgresFaults: readonly Fault[] = [
  fault('postgres-restarts', 'Postgres is restarted, as for a new setting', async ({ postgres }) => {
    await postgres.stop()
    await postgres.startAgain()
    return async () => undefined
  }),
  fault(
    'postgres-killed',
    'the postmaster is killed, and started again on its data',
    async ({ postgres }) => {
      await postgres.kill()
      return () => postgres.startAgain()
    },
  ),
  fault('postgres-frozen', 'all processes of Postgres stand still, and go on', async ({ postgres }) => {
    postgres.pause()
    return async () => postgres.goOn()
  }),
  fault('postgres-cut', 'connections to Postgres are reset, and new ones refused', async ({ postgres }) => {
    postgres.proxy.refuse()
    postgres.proxy.cut()
    return () => postgres.proxy.heal()
  }),
  fault(
    'postgres-hears-nothing',
    'nothing arrives at Postgres; no connection ends, and in the end it arrives',
    async ({ postgres }) => {
      postgres.proxy.hold({ way: 'toServer' })
      return () => postgres.proxy.heal()
    },
  ),
  fault(
    'postgres-says-nothing',
    'no answer of Postgres arrives; it does what it is asked, and nobody knows',
    async ({ postgres }) => {
      postgres.proxy.swallow({ way: 'toClient' })
      return () => postgres.proxy.heal()
    },
  ),
  fault(
    'postgres-has-no-connection-left',
    'others take all connections of Postgres, and those of the system are cut',
    connectionsTaken,
  ),
  postgresDiskFull,
]

function fault(name: string, about: string, inject: (stage: Stage) => Promise<End>): Fault {
  return { name, about, suits: system => system.parts.includes('postgres'), inject }
}
