export { Guard, type GuardOptions, type GuardState } from './guard.ts'
