export { servePage } from './page.ts'
export type { PageName } from './page-name.ts'
