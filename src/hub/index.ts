export { FanOut } from './fan-out.ts'
export { Lane, type Outlet } from './outlet.ts'
export { Packet } from './packet.ts'
export type { HistoryPage, HistoryRequest, RecoverRequest, Subscription } from './subscription.ts'
