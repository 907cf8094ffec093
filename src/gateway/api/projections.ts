/** Projections: their builds, how far those are, what a person decides about them, and reading the active one. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { BuildReport, ProjectionReport } from '../../projections/index.ts'
import type { ApiMethod, ApiParts, ProjectionsApi } from './method.ts'
import { check, optional, optionalName } from './request.ts'

const projection = z.string().min(1).max(80)
const build = z.int().min(1)
const actFields = {
  projection,
  /** Who does it, as the caller says; the key is what was checked. */
  actor: optionalName.transform(name => name ?? 'api'),
  reason: optionalName,
}
const noParams = z.strictObject({})
const nameParams = z.strictObject({ projection })
const actParams = z.strictObject(actFields)
const rebuildParams = z.strictObject({ ...actFields, version: optional(z.int().min(1)) })
const dropParams = z.strictObject({ ...actFields, build })

const list: ApiMethod = async (request, parts) => {
  check(noParams, request)
  return listJson(parts)
}

const status: ApiMethod = async (request, parts) => {
  const { projection } = check(nameParams, request)
  return JSON.stringify({ projection: reportJson(await projectionsOf(parts).operations.status(projection)) })
}

const rebuild: ApiMethod = async (request, parts) => {
  const { projection, version, ...by } = check(rebuildParams, request)
  const made = await projectionsOf(parts).operations.rebuild(projection, by, version)
  return JSON.stringify({ build: made.build, version: made.version, cut_channels: made.cutChannels ?? null })
}

const switchBack: ApiMethod = async (request, parts) => {
  const { projection, ...by } = check(actParams, request)
  const done = await projectionsOf(parts).operations.switchBack(projection, by)
  return JSON.stringify({ ...done, previous: done.previous ?? null })
}

const drop: ApiMethod = async (request, parts) => {
  const { projection, build, ...by } = check(dropParams, request)
  await projectionsOf(parts).operations.drop(projection, build, by)
  return '{}'
}

const remove: ApiMethod = async (request, parts) => {
  const { projection, ...by } = check(actParams, request)
  await projectionsOf(parts).operations.remove(projection, by)
  return '{}'
}

const pause: ApiMethod = async (request, parts) => {
  const { projection, ...by } = check(actParams, request)
  return JSON.stringify(await projectionsOf(parts).operations.pause(projection, by))
}

const resume: ApiMethod = async (request, parts) => {
  const { projection, ...by } = check(actParams, request)
  return JSON.stringify(await projectionsOf(parts).operations.resume(projection, by))
}

export const projectionMethods: Readonly<Record<string, ApiMethod>> = {
  projections_list: list,
  projections_status: status,
  projections_rebuild: rebuild,
  projections_switch_back: switchBack,
  projections_drop: drop,
  projections_remove: remove,
  projections_pause: pause,
  projections_resume: resume,
}

/** `GET /api/projections`: as the method `projections_list`. */
export async function listJson(parts: ApiParts): Promise<string> {
  return JSON.stringify({ projections: (await projectionsOf(parts).operations.list()).map(reportJson) })
}

/** `GET /api/projections/<name>?…`: a page of the build that readers see. */
export async function pageJson(parts: ApiParts, name: string, query: URLSearchParams): Promise<string> {
  return projectionsOf(parts).reads.page(name, query)
}

/** @throws HoldfastError NOT_AVAILABLE where there is no ledger */
function projectionsOf({ projections }: ApiParts): ProjectionsApi {
  if (projections) return projections
  throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
}

function reportJson({ builds, ...report }: ProjectionReport): Record<string, unknown> {
  return { ...report, builds: builds.map(buildJson) }
}

function buildJson({ progress, caughtUp, switchedBy, requestedBy, ...rest }: BuildReport) {
  const { secondsLeft, ...far } = progress
  return {
    ...rest,
    caught_up: caughtUp,
    switched_by: switchedBy,
    requested_by: requestedBy,
    progress: { ...far, seconds_left: secondsLeft },
  }
}
