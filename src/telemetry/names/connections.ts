import type { MetricName } from './metric-name.ts'

/** Connections and what they may. */
export const connectionMetrics = {
  connections: {
    name: 'holdfast.connections',
    type: 'gauge',
    unit: '{connection}',
    labels: ['state'],
    description:
      'Open connections of this node, by `state`: `opening` (no successful connect command yet), `connected`.',
  },
  handshakes: {
    name: 'holdfast.connection.handshakes',
    type: 'counter',
    unit: '{handshake}',
    labels: ['outcome'],
    description:
      'Requests for a connection, by `outcome`: `accepted`, `origin` (not allowed), `limit`, `busy` (this node sheds load), `draining` (it stops), `protocol` (it is none, or one that is not spoken).',
  },
  connects: {
    name: 'holdfast.connects',
    type: 'counter',
    unit: '{connection}',
    labels: [],
    description: 'Connect commands that have succeeded on this node.',
  },
  disconnects: {
    name: 'holdfast.disconnects',
    type: 'counter',
    unit: '{connection}',
    labels: ['code'],
    description:
      'Connections of this node that have ended, by `code` (ERRORS.md); `peer`: the client or the network ended it, `frame`: a frame was too large or broken, `application`: a code of the application’s own.',
  },
  errors: {
    name: 'holdfast.errors',
    type: 'counter',
    unit: '{reply}',
    labels: ['code'],
    description:
      'Error replies to clients of this node, by `code` (ERRORS.md); `other`: codes of the application’s own.',
  },
  limited: {
    name: 'holdfast.limited',
    type: 'counter',
    unit: '{refusal}',
    labels: ['limit'],
    description: 'Refusals because of a limit on this node, by `limit` (OPERATIONS.md names them).',
  },
  slowConsumers: {
    name: 'holdfast.slow_consumers',
    type: 'counter',
    unit: '{connection}',
    labels: [],
    description: 'Connections of this node that were cut because they read too slowly.',
  },
  mailboxSize: {
    name: 'holdfast.mailbox.size',
    type: 'gauge',
    unit: 'By',
    labels: [],
    description: 'What waits for the sockets of this node: replies and live pushes.',
  },
  mailboxLargest: {
    name: 'holdfast.mailbox.largest',
    type: 'gauge',
    unit: 'By',
    labels: [],
    description: 'What waits for the one socket for which most waits.',
  },
  commandSize: {
    name: 'holdfast.commands.size',
    type: 'gauge',
    unit: 'By',
    labels: [],
    description: 'Commands of clients under way on this node.',
  },
  subscriptions: {
    name: 'holdfast.subscriptions',
    type: 'gauge',
    unit: '{subscription}',
    labels: ['tier'],
    description:
      'Subscriptions of this node’s clients (canaries are none), by `tier`; counted at most every five seconds.',
  },
  channels: {
    name: 'holdfast.channels',
    type: 'gauge',
    unit: '{channel}',
    labels: ['tier'],
    description:
      'Channels that clients of this node (canaries are none) are subscribed to, by `tier`; counted at most every five seconds.',
  },
} as const satisfies Record<string, MetricName>
