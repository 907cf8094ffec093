import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import {
  detectResources,
  envDetector,
  hostDetector,
  osDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources'

/**
 * Who this process is, in traces and metrics alike; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win. The command line is
 * no part of it: an application's may hold secrets.
 */
export function telemetryResource(): Resource {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const own = resourceFromAttributes({
    'service.name': 'holdfast',
    'service.version': JSON.parse(manifest).version,
    // As the node is called by default, in logs and answers.
    'service.instance.id': `${hostname()}-${process.pid}`,
  })
  return own.merge(detectResources({ detectors: [hostDetector, osDetector, envDetector] }))
}
