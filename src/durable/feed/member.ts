import type { Outlet } from '../../hub/index.ts'

/**
 * One session in a channel's feed. `at` is the last offset it has been given; it is *arriving* until it is joined,
 * *catching up* while that is behind the channel's position, *live* when it shares the channel's packets. An
 * *expelled* one was ended before its client had the reply, and is told when it joins.
 */
export interface Member {
  readonly outlet: Outlet
  state: 'arriving' | 'catching_up' | 'live' | 'expelled' | 'gone'
  at: number
}
