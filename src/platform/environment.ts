/** The fixed environment variables laid over a configuration; the environment wins over the file. */
export function applyEnvironment(file: unknown, env: Readonly<Record<string, string | undefined>>): unknown {
  const config = structuredClone(typeof file === 'object' && file !== null ? file : {}) as Record<
    string,
    unknown
  >
  set(config, ['http', 'host'], env['HOLDFAST_HOST'])
  set(config, ['http', 'port'], number(env['HOLDFAST_PORT']))
  set(config, ['redis', 'url'], env['REDIS_URL'])
  set(config, ['postgres', 'url'], env['DATABASE_URL'])
  set(config, ['api', 'key'], env['HOLDFAST_API_KEY'])
  set(config, ['auth', 'token', 'hmacSecret'], env['HOLDFAST_TOKEN_HMAC_SECRET'])
  set(config, ['console', 'url'], env['HOLDFAST_CONSOLE_URL'])
  addConsoleToken(config, env['HOLDFAST_CONSOLE_TOKEN'])
  const traced = tracedShare(env['OTEL_TRACES_SAMPLER'], env['OTEL_TRACES_SAMPLER_ARG'])
  set(config, ['telemetry', 'sampling', 'realtime'], traced)
  set(config, ['telemetry', 'sampling', 'durable'], traced)
  return config
}

/** OpenTelemetry's standard sampler for all messages; undefined: the configuration's, by tier. */
function tracedShare(sampler: string | undefined, ratio: string | undefined): number | string | undefined {
  const kind = sampler?.replace(/^parentbased_/, '')
  if (kind === 'always_on') return 1
  if (kind === 'always_off') return 0
  if (kind !== 'traceidratio') return undefined
  return ratio !== undefined && /^[\d.]+$/.test(ratio) ? Number(ratio) : (ratio ?? 1)
}

/** An operator's, beside those of the file; in place of the file's of the same name. */
function addConsoleToken(config: Record<string, unknown>, token: string | undefined): void {
  if (token === undefined || token === '') return
  const { tokens } = (config['console'] ?? {}) as { tokens?: unknown }
  const others = Array.isArray(tokens) ? tokens.filter(each => each?.name !== 'operator') : []
  set(config, ['console', 'tokens'], [...others, { name: 'operator', role: 'operator', token }])
}

/** What is no number stays text, so that the schema names it in its error. */
function number(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
}

function set(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  if (value === undefined || value === '') return
  let at = target
  for (const key of path.slice(0, -1)) {
    const next = at[key]
    if (typeof next !== 'object' || next === null) at[key] = {}
    at = at[key] as Record<string, unknown>
  }
  at[path.at(-1) ?? ''] = value
}
