type Environment = Readonly<Record<string, string | undefined>>

/** Whether spans, or metrics, are to be sent by OTLP: only where OpenTelemetry's own variables say where to. */
export function otlpWanted(env: Environment, signal: 'TRACES' | 'METRICS'): boolean {
  const said = (name: string) => env[name]?.trim() || undefined
  const exporters = said(`OTEL_${signal}_EXPORTER`)?.split(',') ?? ['otlp']
  const endpoint = said(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) ?? said('OTEL_EXPORTER_OTLP_ENDPOINT')
  const off = said('OTEL_SDK_DISABLED')?.toLowerCase() === 'true'
  return !off && endpoint !== undefined && exporters.some(each => each.trim() === 'otlp')
}
