/** Every span that Holdfast makes: its name (`…` stands for a name that the application gave) and meaning. `docs/TELEMETRY.md` says the same; a test compares. */
export const spanNames = {
  receive: {
    name: 'receive …',
    description:
      'A publication (`publish`), event (`append`), signal (`signal`) or command (`command`) that was given to this node, until its answer; a subscription that asks for its past (`subscribe`) and a page of it (`history`).',
  },
  commit: {
    name: 'ledger commit',
    description: 'An event, or all events of a command, from the queue of the appender to the commit.',
  },
  mirror: {
    name: 'mirror',
    description: 'A committed event on its way into the log in Redis, and to the nodes.',
  },
  bus: {
    name: 'bus publish',
    description: 'A publication or signal on its way to the other nodes, until Redis has taken it.',
  },
  fanOut: {
    name: 'fan out',
    description:
      'What a node gives to its own subscribers, until it is written to their sockets: one for each message and node.',
  },
  group: {
    name: 'process group …',
    description: 'One transaction of a consumer group, with a link to each event in it that is traced.',
  },
  projection: {
    name: 'projection …',
    description: 'What a projection does with the events of such a transaction.',
  },
  enqueue: { name: 'enqueue …', description: 'A delivery of a rule that is put into its queue.' },
  job: { name: 'process rule-…', description: 'An attempt at a job, with a link to how it was enqueued.' },
  webhook: { name: 'webhook POST', description: 'The request to a webhook, with its redirects.' },
} as const

export type SpanName = keyof typeof spanNames

/** Every attribute of those spans. No payload, token or user is ever one. */
export const spanAttributes = {
  system: 'messaging.system',
  operation: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  message: 'messaging.message.id',
  consumerGroup: 'messaging.consumer.group.name',
  batchSize: 'messaging.batch.message_count',
  errorType: 'error.type',
  method: 'http.request.method',
  status: 'http.response.status_code',
  server: 'server.address',
  port: 'server.port',
  namespace: 'holdfast.namespace',
  tier: 'holdfast.tier',
  from: 'holdfast.from',
  offset: 'holdfast.offset',
  outcome: 'holdfast.outcome',
  subscribers: 'holdfast.subscribers',
  addressed: 'holdfast.addressed',
  replay: 'holdfast.replay',
  recovered: 'holdfast.recovered',
  rule: 'holdfast.rule',
  attempt: 'holdfast.attempt',
  version: 'holdfast.projection.version',
} as const
