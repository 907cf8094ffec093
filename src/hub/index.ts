export { Deliveries, type Loss, losses } from './deliveries.ts'
export { FanOut } from './fan-out.ts'
export { Lane } from './lane.ts'
export type { Outlet } from './outlet.ts'
export { maxJoinedCharacters, Packet } from './packet.ts'
export {
  type HistoryPage,
  type HistoryRequest,
  type LostBy,
  lostBy,
  type RecoverRequest,
  type Subscription,
} from './subscription.ts'
export { type Flushable, Turn } from './turn.ts'
