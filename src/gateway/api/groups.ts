/** Consumer groups: how far behind they are, who works for them, and holding them back. */
import { z } from 'zod'
import type { GroupDetail, GroupPartition, GroupSummary } from '../../durable/index.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optionalName } from './request.ts'

const actFields = {
  group: z.string().min(1).max(80),
  /** Who does it, as the caller says; the key is what was checked. */
  actor: optionalName.transform(name => name ?? 'api'),
  reason: optionalName,
}
const actParams = z.strictObject(actFields)

/** All of them, or with `group` one of them with its members and partitions. */
export const groups: ApiMethod = async (request, parts) => {
  const { group } = check(z.strictObject({ group: optionalName }), request)
  const operations = operationsOf(parts).groups
  if (group !== undefined) return JSON.stringify({ group: detailJson(await operations.show(group)) })
  return JSON.stringify({ groups: await operations.list() })
}

export const pauseGroup: ApiMethod = async (request, parts) => {
  const { group, ...by } = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).groups.pause(group, by))
}

export const resumeGroup: ApiMethod = async (request, parts) => {
  const { group, ...by } = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).groups.resume(group, by))
}

export const removeGroup: ApiMethod = async (request, parts) => {
  const { group, ...by } = check(actParams, request)
  return JSON.stringify(await operationsOf(parts).groups.remove(group, by))
}

function detailJson({ memberList, partitions, setBack, ...summary }: GroupDetail): Record<string, unknown> {
  return {
    ...(summary satisfies GroupSummary),
    ...(setBack && { set_back: setBack }),
    member_list: memberList,
    partitions: partitions.map(partitionJson),
  }
}

function partitionJson({ settledAbove, ...rest }: GroupPartition): Record<string, unknown> {
  return { ...rest, settled_above: settledAbove }
}
