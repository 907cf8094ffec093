import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import { parse } from 'yaml'

const text = { type: 'string', minLength: 1 }
const words = { type: 'array', items: text, uniqueItems: true }
const span = { type: 'string', pattern: '^[0-9]+(ms|s|m|h)$' }
const named = (value: object) => ({
  type: 'object',
  patternProperties: { '^[a-zA-Z0-9._-]+$': value },
  additionalProperties: false,
})
/** A mapping of these keys and no others. */
const only = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const service = only(
  {
    image: { type: 'string', pattern: '^[a-z0-9./-]+:[a-zA-Z0-9._-]+$' },
    command: { anyOf: [text, { type: 'array', items: { type: 'string' } }] },
    depends_on: words,
    environment: named({ type: ['string', 'number', 'boolean', 'null'] }),
    healthcheck: only(
      {
        test: { anyOf: [text, { type: 'array', items: text, minItems: 2 }] },
        interval: span,
        timeout: span,
        retries: { type: 'integer', minimum: 1 },
        start_period: span,
      },
      ['test'],
    ),
    network_mode: text,
    pid: text,
    ports: { type: 'array', items: text, uniqueItems: true },
    profiles: words,
    restart: { enum: ['no', 'always', 'on-failure', 'unless-stopped'] },
    stop_grace_period: span,
    user: text,
    volumes: { type: 'array', items: text, uniqueItems: true },
  },
  ['image'],
)

/**
 * The part of the Compose specification (compose-spec/compose-spec, Apache 2.0) that our file uses, in our words: whatever else
 * stands there is an error, so a key that is misspelt is found.
 */
const schema = only({ services: named(service), volumes: named({ type: 'null' }) }, ['services'])

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, null>>
}
interface Service {
  readonly depends_on?: readonly string[]
  readonly network_mode?: string
  readonly ports?: readonly string[]
  readonly profiles?: readonly string[]
  readonly volumes?: readonly string[]
}

/** What is wrong with docker-compose.yml, by its schema and by what it names; empty where nothing is. */
export async function composeProblems(root: URL): Promise<string[]> {
  const compose = parse(await readFile(new URL('docker-compose.yml', root), 'utf8')) as Compose
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema)
  if (!validate(compose))
    return (validate.errors ?? []).map(({ instancePath, message, params }) =>
      [instancePath, message, JSON.stringify(params)].join(' '),
    )
  const ports = Object.values(compose.services).flatMap(service => service.ports ?? [])
  const twice = ports.filter((port, i) => ports.indexOf(port) !== i)
  return [
    ...twice.map(port => `two services want ${port}`),
    ...Object.entries(compose.services).flatMap(([name, service]) =>
      serviceProblems(service, compose, root).map(problem => `${name}: ${problem}`),
    ),
  ]
}

function serviceProblems(service: Service, { services, volumes = {} }: Compose, root: URL): string[] {
  const problems: string[] = []
  for (const other of service.depends_on ?? []) {
    const profiles = services[other]?.profiles ?? []
    if (!services[other]) problems.push(`depends on ${other}, which there is not`)
    else if (profiles.some(profile => !service.profiles?.includes(profile)))
      problems.push(`depends on ${other}, which is of another profile`)
  }
  for (const volume of service.volumes ?? []) {
    const [source = '', target = ''] = volume.split(':')
    if (!target.startsWith('/')) problems.push(`${volume} has no place in the container`)
    const there = source.startsWith('.') ? existsSync(new URL(source, root)) : source in volumes
    // A folder of the machine itself is there to be looked at.
    if (source.startsWith('/') ? !volume.endsWith(':ro') : !there) problems.push(`${source} is not there`)
  }
  for (const port of service.ports ?? [])
    if (!port.startsWith('127.0.0.1:')) problems.push(`${port} is open to other machines`)
  if (service.network_mode === 'host' && service.ports)
    problems.push('has ports of its own, and those of its machine')
  return problems
}
