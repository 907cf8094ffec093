/** Breakers: how each dependency fares, and holding one by hand. */
import { z } from 'zod'
import { breakerRoles } from '../../resilience/index.ts'
import type { BreakerSurvey } from '../cluster/breaker-command.ts'
import type { ApiMethod } from './method.ts'
import { check, optional, optionalName } from './request.ts'

const role = z.enum(breakerRoles)
/** Who does it, as the caller says; the key is what was checked. */
const actor = optionalName.transform(name => name ?? 'api')

/** This node's, or with `all` those of every node that answers within a second. */
export const breakers: ApiMethod = async (request, { cluster }) => {
  const { all } = check(z.strictObject({ all: optional(z.boolean()) }), request)
  return surveyJson(await cluster.breakers(all ?? false))
}

/** On every node that can be reached: `nodes` are those that have done it. */
export const breakerHold: ApiMethod = async (request, { cluster }) => {
  const params = z.strictObject({ role, state: z.enum(['passing', 'rejecting']), actor })
  const { role: held, state: as, actor: by } = check(params, request)
  return surveyJson(await cluster.actOnBreaker({ act: 'hold', role: held, as, by }))
}

export const breakerRelease: ApiMethod = async (request, { cluster }) => {
  const { role: released, actor: by } = check(z.strictObject({ role, actor }), request)
  return surveyJson(await cluster.actOnBreaker({ act: 'release', role: released, by }))
}

function surveyJson({ nodes, silent }: BreakerSurvey): string {
  return JSON.stringify({
    nodes: nodes.map(({ breakers: each, ...node }) => ({
      ...node,
      breakers: each.map(({ heldBy, ...status }) => ({ ...status, held_by: heldBy ?? null })),
    })),
    silent,
  })
}
