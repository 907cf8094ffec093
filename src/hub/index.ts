export { FanOut } from './fan-out.ts'
export { Lane, type Outlet } from './outlet.ts'
export { Packet } from './packet.ts'
