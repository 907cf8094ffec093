import { postgres } from './dependencies-postgres.ts'
import { at, type Board, lines, rate, rates, states, table } from './panel.ts'

const rejecting = at('holdfast_breaker_state', 'state="rejecting"')
const probing = at('holdfast_breaker_state', 'state="probing"')

export const dependencies: Board = {
  name: 'dependencies',
  title: 'Dependencies and breaker',
  about: 'Redis, Postgres, and the breakers between them and the nodes.',
  sections: [
    {
      title: 'Breakers',
      panels: [
        states(
          'Breakers',
          'Of each node and role; passing is well. While something is away it goes between rejecting and probing.',
          { '{{instance}} {{role}}': `${rejecting} * 2 + ignoring (state) ${probing}` },
          { words: { '0': 'passing', '1': 'probing', '2': 'rejecting' }, bad: 1, width: 24 },
        ),
        lines('Changes', 'Per second, by role and the state entered.', 'ops', {
          '{{role}} {{state}}': rates('role, state', 'holdfast_breaker_changes_total'),
        }),
        lines('Rejected', 'Calls per second that were refused at once, so that nobody waits.', 'ops', {
          '{{role}}': rates('role', 'holdfast_breaker_rejected_total'),
        }),
        lines('Signs of life', 'That were asked for, per second, by how that ended.', 'ops', {
          '{{role}} {{outcome}}': rates('role, outcome', 'holdfast_breaker_probes_total'),
        }),
      ],
    },
    {
      title: 'Redis',
      panels: [
        lines(
          'Redis: time of a ping',
          'From each node, by role.',
          's',
          { '{{instance}} {{role}}': at('holdfast_redis_rtt') },
          { bad: 0.1 },
        ),
        lines('Redis: memory', 'Used, and the limit where there is one.', 'bytes', {
          'used, {{role}}': `max by (role) (${at('holdfast_redis_memory_used')})`,
          'limit, {{role}}': `max by (role) (${at('holdfast_redis_memory_limit')})`,
        }),
        lines('Redis: evicted', 'Keys per second that were thrown away for want of memory.', 'ops', {
          '{{role}}': `max by (role) (${rate('holdfast_redis_evicted_total')})`,
        }),
        lines('Redis: connections', 'Of anybody, by role.', 'short', {
          '{{role}}': `max by (role) (${at('holdfast_redis_clients')})`,
        }),
        lines(
          'Redis: connections cut',
          'Per second, because too much waited for them.',
          'ops',
          { '{{role}}': `max by (role) (${rate('holdfast_redis_output_buffer_kills_total')})` },
          { only: 'a Redis that counts them' },
        ),
        table(
          'Redis: policy',
          'maxmemory-policy, by role; jobs want noeviction.',
          'max by (role, policy) (holdfast_redis_policy) == 1',
        ),
      ],
    },
    postgres,
    {
      title: 'Keys and certificates',
      panels: [
        lines(
          'Keys for tokens: age',
          'Since the last successful fetch.',
          's',
          { '{{instance}}': at('holdfast_jwks_age') },
          { only: '`auth.token.jwksUrl`' },
        ),
        lines(
          'Keys for tokens: fetches',
          'Per second.',
          'ops',
          { '{{outcome}}': rates('outcome', 'holdfast_jwks_fetches_total') },
          { only: '`auth.token.jwksUrl`' },
        ),
        lines(
          'Certificates',
          'How long they are valid.',
          's',
          { '{{dependency}}': `min by (dependency) (${at('holdfast_certificate_expiry')})` },
          { badBelow: 1_209_600, only: 'TLS' },
        ),
      ],
    },
  ],
}
