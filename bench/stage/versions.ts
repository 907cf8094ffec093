import { Redis } from 'ioredis'
import postgres from 'postgres'
import type { Stage } from './stage.ts'

/** Versions of what was measured with. */
export async function serviceVersions(stage: Stage): Promise<Record<string, string>> {
  const versions: Record<string, string> = {}
  const packages = ['ws', 'ioredis', 'postgres'] as const
  for (const name of packages) {
    const { default: found } = await import(`../../node_modules/${name}/package.json`, {
      with: { type: 'json' },
    })
    versions[name] = found.version
  }
  const redis = new Redis((await stage.redis()).url)
  versions['redis'] = (await redis.info('server')).match(/(?:redis|valkey)_version:(\S+)/)?.[1] ?? 'unknown'
  redis.disconnect()
  const sql = postgres((await stage.postgres()).url, { max: 1 })
  const [row] =
    await sql`select current_setting('server_version') as version, current_setting('fsync') as fsync`
  versions['postgresql'] = `${row?.['version']}, fsync ${row?.['fsync']}`
  await sql.end()
  return versions
}
