import { type ChannelPattern, channelPattern, HoldfastError } from '../domain/index.ts'
import type { ChannelSchemas, Contract, SchemaIssue, SchemaResult, StandardSchemaV1 } from './types.ts'

/**
 * Refuses what does not match the contract; a promise only where the schema is asynchronous.
 * @throws HoldfastError PAYLOAD_INVALID with details `path` (`lines.0.sku`, empty for the whole), `reason`, and both as
 *   the client is `told`
 */
export type ContractCheck = (channel: string, type: string, value: unknown) => void | Promise<void>

/**
 * Compiles a contract's patterns once, for many checks. The first pattern that matches a channel decides; a channel
 * that no pattern names is not described by the contract and passes.
 */
export function contractCheck(contract: Contract): ContractCheck {
  const patterns = Object.entries(contract).map(([source, schemas]) => ({
    pattern: channelPattern(source),
    schemas,
  }))
  return (channel, type, value) => {
    const found = patterns.find(({ pattern }) => pattern.match(channel))
    if (!found) return
    const result = schemaFor(found.pattern, found.schemas, channel, type)['~standard'].validate(value)
    if (result instanceof Promise) return result.then(settled => refuse(channel, type, settled))
    refuse(channel, type, result)
  }
}

function schemaFor(
  pattern: ChannelPattern,
  schemas: ChannelSchemas,
  channel: string,
  type: string,
): StandardSchemaV1 {
  if (isSchema(schemas)) return schemas
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined
  if (schema) return schema
  const known = Object.keys(schemas).join(', ')
  const reason = `${pattern.source} carries ${known || 'no events'}, not ${JSON.stringify(type)}`
  throw refusal(channel, { path: '', reason, told: reason })
}

function isSchema(schemas: ChannelSchemas): schemas is StandardSchemaV1 {
  return '~standard' in schemas
}

function refuse(channel: string, type: string, result: SchemaResult<unknown>): void {
  const issue = result.issues?.[0]
  if (!issue) return
  const path = pathOf(issue)
  const reason = issue.message
  throw refusal(channel, { path, reason, told: `${type}${path && ` at ${path}`}: ${reason}` })
}

/** Who sent it knows the channel: its name, which may be long, leaves no room for the reason on the wire. */
function refusal(channel: string, details: { path: string; reason: string; told: string }): HoldfastError {
  return new HoldfastError('PAYLOAD_INVALID', `${channel}: ${details.told}`, { details })
}

function pathOf(issue: SchemaIssue): string {
  return (issue.path ?? []).map(step => String(typeof step === 'object' ? step.key : step)).join('.')
}
