import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { byConsole, createHttpServer, type UpgradeHandler } from '../gateway/index.ts'

export interface OwnListenerOptions {
  readonly host: string
  readonly port: number
  /** Gives the page and what it asks for their routes. */
  readonly addRoutes: (app: FastifyInstance) => void
  /** The page tails channels over a socket of its own origin. */
  readonly handleUpgrade: UpgradeHandler
}

export interface OwnListener {
  /** @throws HoldfastError CONFIG_INVALID where the port is taken */
  listen(): Promise<{ readonly host: string; readonly port: number }>
  close(graceMs: number): Promise<void>
}

/** A listener for the console alone, so that it can be bound where only operators come. */
export function ownListener({ host, port, addRoutes, handleUpgrade }: OwnListenerOptions): OwnListener {
  const app = Fastify({ logger: false })
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'not found' }))
  addRoutes(app)
  const marked: UpgradeHandler = (request, socket, head) =>
    handleUpgrade(Object.assign(request, { [byConsole]: true }), socket, head)
  const server = createHttpServer({ api: { app, owns: () => true }, handleUpgrade: marked })
  return {
    listen: () => server.listen(host, port),
    close: graceMs => server.close(graceMs),
  }
}
