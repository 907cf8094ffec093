import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** A structured logger to standard output; `level` is one of pino's (`silent` for none). */
export function createLogger(level = 'info', bindings: Record<string, unknown> = {}): Logger {
  return pino({ level, base: bindings, timestamp: pino.stdTimeFunctions.isoTime })
}
