import { createHash } from 'node:crypto'

/** What differs from node to node, or is a secret. */
const ownPaths = [
  'role',
  'http.host',
  'http.port',
  'console.host',
  'console.port',
  'console.url',
  'postgres.migrate',
]
const secretKey = /secret|password|token|^key$|^headers$/i

/** The first characters of a digest of a configuration: the same for nodes that are configured alike. */
export function configDigest(config: unknown): string {
  return createHash('sha256').update(plain(config, '')).digest('hex').slice(0, 12)
}

/** JSON in the order of the keys, without secrets. */
function plain(value: unknown, path: string): string {
  if (typeof value === 'string') return JSON.stringify(withoutCredentials(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(each => plain(each, path)).join(',')}]`
  const entries = Object.entries(value)
    .filter(
      ([key, each]) => each !== undefined && !secretKey.test(key) && !ownPaths.includes(join(path, key)),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${plain(each, join(path, key))}`).join(',')}}`
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function withoutCredentials(text: string): string {
  return text.replace(/^([a-z+]+:\/\/)[^/@]*@/i, '$1')
}
