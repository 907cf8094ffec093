import type { MetricName } from './metric-name.ts'

/** The operations console, and what operators have switched. */
export const consoleMetrics = {
  readOnlyNamespaces: {
    name: 'holdfast.namespace.read_only',
    type: 'gauge',
    unit: '1',
    labels: ['namespace'],
    description:
      'Whether this node takes no publications for `namespace`, because an operator has made it read-only (1), or does (0); what it refuses for that are publications with the outcome `read_only`, and errors with the code 423.',
  },
  consoleDenied: {
    name: 'holdfast.console.denied',
    type: 'counter',
    unit: '{request}',
    labels: [],
    description: 'Requests to the console of this node with a wrong token.',
  },
} as const satisfies Record<string, MetricName>
