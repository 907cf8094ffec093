import { type Case, one } from './alert-case.ts'
import { dependencyCases } from './dependency-cases.ts'

const latency = 'tier="realtime",stage="end_to_end"'

export const cases: readonly Case[] = [
  {
    alert: 'HoldfastPublishBudgetBurns',
    minutes: 90,
    fires: {
      'holdfast_publications_total{tier="durable",outcome="accepted"}': '0+600x120',
      'holdfast_publications_total{tier="durable",outcome="unavailable"}': '0+60x120',
    },
    // An operator has made a namespace read-only.
    quiet: {
      'holdfast_publications_total{tier="durable",outcome="accepted"}': '0+60000x120',
      'holdfast_publications_total{tier="durable",outcome="unavailable"}': '0+6x120',
      'holdfast_publications_total{tier="durable",outcome="read_only"}': '0+60000x120',
    },
  },
  {
    // Neither written nor dropped because its client had gone.
    alert: 'HoldfastDeliveryBudgetBurns',
    minutes: 90,
    fires: {
      'holdfast_delivery_expected_total{tier="realtime"}': '0+600x120',
      'holdfast_delivery_written_total{tier="realtime",path="live"}': '0+500x120',
      'holdfast_delivery_dropped_total{tier="realtime",path="live",reason="slow"}': '0+50x120',
    },
    quiet: {
      'holdfast_delivery_expected_total{tier="realtime"}': '0+600x120',
      'holdfast_delivery_written_total{tier="realtime",path="live"}': '0+500x120',
      'holdfast_delivery_dropped_total{tier="realtime",path="live",reason="closed"}': '0+100x120',
    },
  },
  {
    alert: 'HoldfastLatencyBudgetBurns',
    minutes: 90,
    fires: {
      [`holdfast_delivery_latency_count{${latency}}`]: '0+600x120',
      [`holdfast_delivery_latency_bucket{${latency},le="0.25"}`]: '0+400x120',
    },
    quiet: {
      [`holdfast_delivery_latency_count{${latency}}`]: '0+600x120',
      [`holdfast_delivery_latency_bucket{${latency},le="0.25"}`]: '0+599x120',
    },
  },
  one('HoldfastAcknowledgedLost', 'holdfast_audit_lost{found="ledger"}', '0x3 1x3', '0x6', 5),
  {
    // A process that has found it may be gone; what it found is not.
    alert: 'HoldfastAcknowledgedLost',
    minutes: 40,
    fires: { 'holdfast_audit_lost{found="canary"}': '1x2 stale' },
    quiet: { 'holdfast_audit_lost{found="canary"}': '0x40' },
  },
  one(
    'HoldfastAuditDiffers',
    'holdfast_audit_mismatches_total{kind="mirror_other"}',
    '_x2 0x3 1x5',
    '_x2 0x9',
    8,
  ),
  one('HoldfastAuditOld', 'holdfast_audit_age{scope="recent"}', '0+60x60', '30x60', 40),
  {
    alert: 'HoldfastAuditOld',
    minutes: 20,
    fires: { 'holdfast_ledger_state{state="ready"}': '1x20' },
    quiet: {
      'holdfast_ledger_state{state="ready"}': '1x20',
      'holdfast_audit_age{scope="recent"}': '10x20',
    },
  },
  {
    // A deployment of the realtime tier alone has no ledger.
    alert: 'HoldfastAuditOld',
    minutes: 20,
    fires: { 'holdfast_ledger_state{state="ready"}': '0x20' },
    quiet: { holdfast_info: '1x20' },
  },
  one('HoldfastAuditIncomplete', 'holdfast_audit_age{scope="whole"}', '259000+60x60', '86400x60', 40),
  one(
    'HoldfastProbesFail',
    'holdfast_probe_results_total{tier="durable",path="other",outcome="failed"}',
    '0+6x10',
    '0 1 1x10',
    8,
  ),
  {
    // What cannot be otherwise, because Redis is away, gets nobody up.
    alert: 'HoldfastProbesFail',
    minutes: 8,
    fires: { 'holdfast_probe_results_total{tier="realtime",path="local",outcome="failed"}': '0+6x10' },
    quiet: { 'holdfast_probe_results_total{tier="realtime",path="other",outcome="degraded"}': '0+6x10' },
  },
  one('HoldfastProbesSilent', 'holdfast_probe_age{tier="durable",path="accept"}', '0+60x20', '5x20', 10),
  {
    // Two nodes that hear nothing of each other, though the bus of each answers.
    alert: 'HoldfastProbesAlone',
    minutes: 6,
    fires: {
      'holdfast_probe_listeners{instance="a"}': '0x10',
      'holdfast_probe_listeners{instance="b"}': '0x10',
      'holdfast_bus_connected{instance="a"}': '1x10',
      'holdfast_bus_connected{instance="b"}': '1x10',
    },
    // One alone, and a worker beside it.
    quiet: {
      'holdfast_probe_listeners{instance="a"}': '0x10',
      'holdfast_bus_connected{instance="a"}': '1x10',
      'holdfast_bus_connected{instance="worker"}': '1x10',
    },
  },
  {
    // While the bus is away it is another alert's to say so.
    alert: 'HoldfastProbesAlone',
    minutes: 6,
    fires: {
      'holdfast_probe_listeners{instance="a"}': '0x10',
      'holdfast_probe_listeners{instance="b"}': '1x10',
      'holdfast_bus_connected{instance="a"}': '1x10',
    },
    quiet: {
      'holdfast_probe_listeners{instance="a"}': '0x10',
      'holdfast_probe_listeners{instance="b"}': '1x10',
      'holdfast_bus_connected{instance="a"}': '0x10',
    },
  },
  {
    // Two halves of two, each of which hears itself.
    alert: 'HoldfastNodesApart',
    minutes: 6,
    fires: {
      ...Object.fromEntries(
        ['a', 'b', 'c', 'd'].map(each => [`holdfast_bus_nodes{instance="${each}"}`, '2x10']),
      ),
      ...Object.fromEntries(
        ['a', 'b', 'c', 'd'].map(each => [`holdfast_bus_connected{instance="${each}"}`, '1x10']),
      ),
    },
    // One is away, as another alert says, and the others hear each other.
    quiet: {
      'holdfast_bus_nodes{instance="a"}': '2x10',
      'holdfast_bus_nodes{instance="b"}': '2x10',
      'holdfast_bus_nodes{instance="c"}': '1x10',
      'holdfast_bus_connected{instance="a"}': '1x10',
      'holdfast_bus_connected{instance="b"}': '1x10',
      'holdfast_bus_connected{instance="c"}': '0x10',
    },
  },
  {
    alert: 'HoldfastProbesAbsent',
    minutes: 15,
    fires: { holdfast_info: '1x20' },
    quiet: { 'holdfast_probe_results_total{path="connect",outcome="succeeded"}': '0+1x20' },
  },
  {
    alert: 'HoldfastAbsent',
    minutes: 5,
    fires: { 'up{job="prometheus"}': '1x10' },
    quiet: { 'holdfast_info{instance="a"}': '1x10' },
  },
  one('HoldfastNodeDown', 'up{job="holdfast",instance="a"}', '1 0x10', '1x10', 5),
  one(
    'HoldfastNodeRestarts',
    'holdfast_process_uptime{instance="a"}',
    '60 120 5 65 5 65 5 65x10',
    '0+60x20',
    10,
  ),
  one(
    'HoldfastEventLoopLags',
    'holdfast_event_loop_lag_seconds{instance="a"}',
    '0.4x10',
    '0.4 0.4 0.01x10',
    5,
  ),
  one('HoldfastClockWrong', 'holdfast_process_clock{instance="a"}', '3600+60x10', '0+60x10', 5),
  one('HoldfastSheds', 'holdfast_shedding{instance="a",reason="memory"}', '0 1x10', '0x10', 5),
  one('HoldfastMemory', 'holdfast_memory_use{instance="a"}', '0.9x10', '0.6x10', 8),
  {
    alert: 'HoldfastVersionsDiffer',
    minutes: 90,
    fires: {
      'holdfast_info{version="1.0.0",instance="a"}': '1x100',
      'holdfast_info{version="1.1.0",instance="b"}': '1x100',
    },
    quiet: {
      'holdfast_info{version="1.1.0",instance="a"}': '1x100',
      'holdfast_info{version="1.1.0",instance="b"}': '1x100',
    },
  },
  one('HoldfastForeignMessages', 'holdfast_bus_foreign_total{kind="signal"}', '0 5x10', '5x10', 5),
  one('HoldfastFlooded', 'holdfast_limited_total{limit="publicationRate"}', '0+1200x20', '0+60x20', 15),
  {
    alert: 'HoldfastKeysNotFetched',
    minutes: 40,
    fires: {
      'holdfast_jwks_fetches_total{instance="a",outcome="failed"}': '0+1x60',
      'holdfast_jwks_fetches_total{instance="a",outcome="succeeded"}': '1x60',
    },
    quiet: {
      'holdfast_jwks_fetches_total{instance="a",outcome="failed"}': '0+1x60',
      'holdfast_jwks_fetches_total{instance="a",outcome="succeeded"}': '0+1x60',
    },
  },
  one(
    'HoldfastCertificateExpires',
    'holdfast_certificate_expiry{dependency="postgres"}',
    '864000x5',
    '8640000x5',
    3,
  ),
  one('HoldfastLocalOnly', 'holdfast_bus_connected{instance="a"}', '1 0x10', '1 0 1x10', 5),
  one('HoldfastSignalsDropped', 'holdfast_bus_dropped_total{reason="away"}', '0+600x10', '0+6x10', 8),
  one('HoldfastNoNumbers', 'holdfast_realtime_numbering{instance="a"}', '1 0x10', '1x10', 6),
  one('HoldfastBusDeaf', 'holdfast_bus_deaf_total{bus="log",instance="a"}', '0+1x20', '0 1x20', 12),
  one('HoldfastResubscribes', 'holdfast_bus_resubscribed_total{bus="log"}', '0 5x10', '5x10', 5),
  {
    alert: 'HoldfastClientsVanish',
    minutes: 15,
    fires: {
      'holdfast_disconnects_total{code="3012"}': '0+600x20',
      'holdfast_connections{state="connected"}': '1000x20',
    },
    quiet: {
      'holdfast_disconnects_total{code="3001"}': '0+600x20',
      'holdfast_connections{state="connected"}': '1000x20',
    },
  },
  one('HoldfastReconnectStorm', 'holdfast_connects_total', '0+60x70 10000 20000x5', '0+60x80', 71),
  {
    // Two hundred clients that come back at once; or sixty more of them, in two minutes.
    alert: 'HoldfastReconnectStorm',
    minutes: 81,
    fires: {
      holdfast_connects_total: '0+1x80 280x5',
      'holdfast_connections{state="connected"}': '200x85',
    },
    quiet: {
      holdfast_connects_total: '0+1x80 150x5',
      'holdfast_connections{state="connected"}': '200x85',
    },
  },
  {
    // Who comes back, and who comes to a meeting.
    alert: 'HoldfastReconnectStorm',
    minutes: 81,
    fires: {
      holdfast_connects_total: '0+1x80 280x5',
      'holdfast_connections{state="connected"}': '200x80 190x5',
    },
    quiet: {
      holdfast_connects_total: '0+1x80 280x5',
      'holdfast_connections{state="connected"}': '20x80 220x5',
    },
  },
  {
    alert: 'HoldfastSlowConsumers',
    minutes: 15,
    fires: {
      holdfast_slow_consumers_total: '0+600x20',
      'holdfast_connections{state="connected"}': '1000x20',
    },
    quiet: { holdfast_slow_consumers_total: '0+6x20', 'holdfast_connections{state="connected"}': '1000x20' },
  },
  {
    alert: 'HoldfastResyncs',
    minutes: 15,
    fires: {
      'holdfast_resyncs_total{tier="realtime"}': '0+6000x20',
      'holdfast_connections{state="connected"}': '1000x20',
    },
    quiet: {
      'holdfast_resyncs_total{tier="realtime"}': '0+6x20',
      'holdfast_connections{state="connected"}': '1000x20',
    },
  },
  one(
    'HoldfastLedgerUnavailable',
    'holdfast_ledger_state{state="read_only",instance="a"}',
    '0 1x10',
    '0x10',
    5,
  ),
  one('HoldfastLedgerWentBack', 'holdfast_ledger_state{state="behind_mirror"}', '0 1x3', '0x4', 2),
  one('HoldfastNewEpoch', 'holdfast_ledger_epochs_total', '0 1x10', '1x10', 5),
  {
    // One node that has looked and found nothing missing is enough.
    alert: 'HoldfastMirrorLags',
    minutes: 8,
    fires: {
      'holdfast_mirror_lag_age{instance="a"}': '0+60x10',
      'holdfast_mirror_lag_age{instance="b"}': '0+60x10',
    },
    quiet: {
      'holdfast_mirror_lag_age{instance="a"}': '0+60x10',
      'holdfast_mirror_lag_age{instance="b"}': '0x10',
    },
  },
  {
    alert: 'HoldfastToldOfLosses',
    minutes: 25,
    fires: {
      'holdfast_recoveries_total{tier="durable",outcome="told",reason="removed"}': '0+10x30',
      'holdfast_recoveries_total{tier="durable",outcome="recovered",reason="none"}': '0+100x30',
    },
    quiet: {
      'holdfast_recoveries_total{tier="durable",outcome="told",reason="too_many"}': '0+10x30',
      'holdfast_recoveries_total{tier="durable",outcome="recovered",reason="none"}': '0+100x30',
    },
  },
  one('HoldfastGroupLags', 'holdfast_group_lag_age{group="mail"}', '0+60x20', '1x20', 10),
  {
    alert: 'HoldfastHandlersFail',
    minutes: 15,
    fires: {
      'holdfast_group_attempts_total{group="mail",outcome="failed"}': '0+60x20',
      'holdfast_group_attempts_total{group="mail",outcome="done"}': '0+60x20',
    },
    quiet: {
      'holdfast_group_attempts_total{group="mail",outcome="failed"}': '0+1x20',
      'holdfast_group_attempts_total{group="mail",outcome="done"}': '0+60x20',
    },
  },
  one(
    'HoldfastProjectionLags',
    'holdfast_projection_lag_age{projection="p",state="active"}',
    '0+60x20',
    '1x20',
    10,
  ),
  {
    alert: 'HoldfastProjectionLags',
    minutes: 10,
    fires: { 'holdfast_projection_lag_age{projection="p",state="active"}': '0+60x20' },
    quiet: { 'holdfast_projection_lag_age{projection="p",state="building"}': '0+60x20' },
  },
  one(
    'HoldfastRebuildStandsStill',
    'holdfast_projection_progress{projection="p",state="building"}',
    '0.4x80',
    '0+0.01x80',
    70,
  ),
  one('HoldfastParked', 'holdfast_deliveries{consumer="group/mail",state="parked"}', '0 3x10', '0x10', 8),
  one('HoldfastJobsOverdue', 'holdfast_job_overdue{rule="r"}', '0+60x20', '1x20', 10),
  one('HoldfastOutboxWaits', 'holdfast_outbox_age', '0+60x10', '1x10', 6),
  one('HoldfastOutboxRefused', 'holdfast_outbox_refused', '0 1x10', '0x10', 8),
  ...dependencyCases,
]
