import { defineConfig } from 'drizzle-kit'

/** `npx drizzle-kit generate --name <what>` writes a migration from the tables; `--custom` an empty one for SQL. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/**/tables.ts',
  out: './migrations',
  schemaFilter: ['holdfast'],
  migrations: { schema: 'holdfast', table: 'migrations' },
})
