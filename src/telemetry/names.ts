/** Every metric that Holdfast has: its name, unit (UCUM) and meaning. `docs/TELEMETRY.md` says the same; a test compares. */
export interface MetricName {
  readonly name: string
  readonly unit: string
  readonly description: string
}

/** No channel, no user and no schedule of an application's making is ever an attribute: their number has no bound. */
export const metrics = {
  cursors: {
    name: 'holdfast.cursors',
    unit: '{cursor}',
    description: 'Cursors that users have, by `namespace` and `cursor` (its name).',
  },
  cursorLag: {
    name: 'holdfast.cursor.lag',
    unit: '{event}',
    description:
      'Events after the cursor that is furthest behind its channel’s head, by `namespace` and `cursor`.',
  },
  groupLag: {
    name: 'holdfast.group.lag',
    unit: '{event}',
    description: 'Events that a consumer group has not settled yet, by `group`.',
  },
  groupLagSeconds: {
    name: 'holdfast.group.lag.age',
    unit: 's',
    description: 'Age of the oldest event that a consumer group has not settled yet, by `group`.',
  },
  deliveries: {
    name: 'holdfast.deliveries',
    unit: '{delivery}',
    description: 'Open deliveries, by `consumer` (`group/…` or `rule/…`) and `state`.',
  },
  groupSuppressed: {
    name: 'holdfast.group.suppressed',
    unit: '{event}',
    description:
      'Events that came to a competing group’s worker although another had settled them, by `group`; counted by this process.',
  },
  projectionBuilds: {
    name: 'holdfast.projection.builds',
    unit: '{build}',
    description:
      'Builds of a projection that are not dropped, by `projection` and `state` (`active`, `building`, `standby`).',
  },
  projectionLag: {
    name: 'holdfast.projection.lag',
    unit: '{event}',
    description:
      'Events that a build of a projection has not settled yet, by `projection` and `state`; of several in one state the most.',
  },
  projectionLagSeconds: {
    name: 'holdfast.projection.lag.age',
    unit: 's',
    description:
      'Age of the oldest event that a build of a projection has not settled yet, by `projection` and `state`; of several the oldest.',
  },
  projectionProgress: {
    name: 'holdfast.projection.progress',
    unit: '1',
    description:
      'How much of the ledger a build of a projection has passed (0 to 1), by `projection` and `state`; of several the least.',
  },
  projectionEvents: {
    name: 'holdfast.projection.events',
    unit: '{event}',
    description:
      'Events that builds of a projection have settled, by `projection` and `version`; counted by this process.',
  },
  jobAttempts: {
    name: 'holdfast.job.attempts',
    unit: '{attempt}',
    description:
      'How attempts at jobs and schedules ended, by `rule` or `schedule` (of the configuration; `(other)`: all others) and `outcome`; counted by this process.',
  },
  jobOverdue: {
    name: 'holdfast.job.overdue',
    unit: 's',
    description: 'Since when a rule’s oldest delivery has been due that is not made yet, by `rule`.',
  },
  commandsEnded: {
    name: 'holdfast.commands',
    unit: '{command}',
    description:
      'Commands of aggregates that have ended on this node, by `outcome`: `recorded`, `nothing`, `duplicate`, `refused`, `failed`.',
  },
  commandConflicts: {
    name: 'holdfast.command.conflicts',
    unit: '{decision}',
    description: 'Decisions that this node has made again because somebody else was faster.',
  },
  outboxWaiting: {
    name: 'holdfast.outbox.waiting',
    unit: '{event}',
    description: 'Committed rows of the outbox that are not in the ledger yet.',
  },
  outboxAge: {
    name: 'holdfast.outbox.age',
    unit: 's',
    description: 'Age of the oldest such row.',
  },
  outboxRefused: {
    name: 'holdfast.outbox.refused',
    unit: '{event}',
    description: 'Rows of the outbox that the ledger can never take.',
  },
  connections: {
    name: 'holdfast.connections',
    unit: '{connection}',
    description:
      'Open connections of this node, by `state`: `opening` (no successful connect command yet), `connected`.',
  },
  connects: {
    name: 'holdfast.connects',
    unit: '{connection}',
    description: 'Connect commands that have succeeded on this node.',
  },
  disconnects: {
    name: 'holdfast.disconnects',
    unit: '{connection}',
    description:
      'Connections of this node that have ended, by `code` (ERRORS.md); `peer`: the client or the network ended it, `frame`: a frame was too large or broken, `application`: a code of the application’s own.',
  },
  limited: {
    name: 'holdfast.limited',
    unit: '{refusal}',
    description: 'Refusals because of a limit on this node, by `limit` (OPERATIONS.md names them).',
  },
  slowConsumers: {
    name: 'holdfast.slow_consumers',
    unit: '{connection}',
    description: 'Connections of this node that were cut because they read too slowly.',
  },
  mailboxSize: {
    name: 'holdfast.mailbox.size',
    unit: 'By',
    description: 'What waits for the sockets of this node: replies and live pushes.',
  },
  mailboxLargest: {
    name: 'holdfast.mailbox.largest',
    unit: 'By',
    description: 'What waits for the one socket for which most waits.',
  },
  commandSize: {
    name: 'holdfast.commands.size',
    unit: 'By',
    description: 'Commands of clients under way on this node.',
  },
  eventLoopLag: {
    name: 'holdfast.event_loop.lag.seconds',
    unit: 's',
    description:
      'How long what arrives waits for its turn of this process’ event loop, over the last half second.',
  },
  memoryUse: {
    name: 'holdfast.memory.use',
    unit: '1',
    description:
      'Share of V8’s heap, or of the container’s memory where that is nearer to its end, that this process uses.',
  },
  shed: {
    name: 'holdfast.shed',
    unit: '{request}',
    description:
      'What this process has refused because it has too much to do, by `reason`: `event_loop` (new connections), `memory` (new connections, and reading pasts).',
  },
  shedding: {
    name: 'holdfast.shedding',
    unit: '1',
    description: 'Whether this process refuses new connections now (1) or not (0), by `reason`.',
  },
  busForeign: {
    name: 'holdfast.bus.foreign',
    unit: '{message}',
    description:
      'Messages of other nodes that this release does not understand, by `kind`: `signal`, `control`, `announcement`, `notice`, `news`. None, unless nodes of different releases run; counted by this process.',
  },
  breakerState: {
    name: 'holdfast.breaker.state',
    unit: '{breaker}',
    description:
      'Whether the breaker of `role` (`bus`, `log`, `jobs`, `ledger`) is in `state` (`passing`, `rejecting`, `probing`): 1 for one of them.',
  },
  breakerChanges: {
    name: 'holdfast.breaker.changes',
    unit: '{change}',
    description: 'How often the breaker of `role` has entered `state`; counted by this process.',
  },
  breakerRejected: {
    name: 'holdfast.breaker.rejected',
    unit: '{call}',
    description:
      'Calls that the breaker of `role` has refused at once, so that nobody waits for what is away; counted by this process.',
  },
  breakerProbes: {
    name: 'holdfast.breaker.probes',
    unit: '{probe}',
    description:
      'Signs of life that the breaker of `role` has asked for, by `outcome` (`succeeded`, `failed`); counted by this process.',
  },
  busConnected: {
    name: 'holdfast.bus.connected',
    unit: '1',
    description:
      'Whether this node hears the others (1), or delivers realtime publications only to its own clients (0).',
  },
  busDropped: {
    name: 'holdfast.bus.dropped',
    unit: '{message}',
    description:
      'Realtime messages between nodes that were not delivered, by `reason`: `away` (Redis is known to be), `full` (too much waited for it), `late` (it got them too late), `unanswered` (it may have published them), `stale` (they came here too late); counted by this process.',
  },
  busDeaf: {
    name: 'holdfast.bus.deaf',
    unit: '{loss}',
    description:
      'How often a message that this process sent to itself over `bus` (`realtime`, `log`) did not come although Redis answered on both connections; the subscriber was connected anew.',
  },
  busResubscribed: {
    name: 'holdfast.bus.resubscribed',
    unit: '{channel}',
    description:
      'Channels that this process has subscribed again because its subscriber connection of `bus` was lost.',
  },
  numbering: {
    name: 'holdfast.realtime.numbering',
    unit: '1',
    description:
      'Whether publications in realtime channels with history get their numbers on this node (1), or go out without (0) because Redis is away, slow or takes no writes.',
  },
  unnumbered: {
    name: 'holdfast.realtime.unnumbered',
    unit: '{publication}',
    description:
      'Publications in realtime channels with history that this process has sent out without a number.',
  },
  ledgerState: {
    name: 'holdfast.ledger.state',
    unit: '1',
    description:
      'Whether the ledger is in `state` as this node sees it (`ready`, `unreachable`, `read_only`: it answers and takes no writes, `behind_mirror`: it has lost events that a mirror, another node or this one knows of): 1 for one of them.',
  },
  mirrorState: {
    name: 'holdfast.mirror.state',
    unit: '1',
    description:
      'Whether the mirror is in `state` as this node sees it (`ready`, `healing`, `unreachable`): 1 for one of them.',
  },
  ledgerEpochs: {
    name: 'holdfast.ledger.epochs',
    unit: '{epoch}',
    description: 'New epochs of the ledger that this process has found: durable subscriptions began anew.',
  },
} as const satisfies Record<string, MetricName>
