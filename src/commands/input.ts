import type { SchemaIssue, SchemaResult, StandardSchemaV1 } from '../contract/index.ts'
import { HoldfastError } from '../domain/index.ts'
import { inTime } from './foreign.ts'

/**
 * What a command's schema makes of an input.
 * @throws HoldfastError PAYLOAD_INVALID with details `path`, `reason`, and both as the client is `told`; DEPENDENCY_* where
 *   the schema itself fails
 */
export async function checkedInput(
  schema: StandardSchemaV1 | undefined,
  command: string,
  input: unknown,
  timeoutMs: number,
): Promise<unknown> {
  if (!schema) return input
  const what = `the schema of ${command}`
  const result: SchemaResult<unknown> = await inTime(what, timeoutMs, () =>
    schema['~standard'].validate(input),
  )
  if (!result.issues) return result.value
  const [issue] = result.issues
  const path = issue ? pathOf(issue) : ''
  const reason = issue?.message ?? 'invalid'
  const told = `${command}${path && ` at ${path}`}: ${reason}`
  throw new HoldfastError('PAYLOAD_INVALID', told, { details: { path, reason, told } })
}

function pathOf(issue: SchemaIssue): string {
  return (issue.path ?? []).map(step => String(typeof step === 'object' ? step.key : step)).join('.')
}
