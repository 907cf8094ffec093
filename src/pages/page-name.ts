/** The pages there are: one folder of the repository each. */
export type PageName = 'console' | 'demo'
