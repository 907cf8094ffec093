export { createHttpApi, type HttpApi, type HttpApiOptions } from './api/http-api.ts'
export type { AuthenticateHook, Identity } from './auth/authenticate-hook.ts'
export { type AuthenticatorOptions, createAuthenticator } from './auth/authenticator.ts'
export { createToken, type TokenRequest } from './auth/create-token.ts'
export { KeyCounts } from './auth/key-counts.ts'
export type { Authorization, AuthorizeCall, AuthorizeHook } from './authorize-hook.ts'
export type { BreakerSurvey, NodeBreakers } from './cluster/breaker-command.ts'
export {
  type Cluster,
  type ClusterOptions,
  createCluster,
  type NodeIdentity,
  type NodeInfo,
  type TopicAnswers,
} from './cluster/cluster.ts'
export type { SessionCommand } from './cluster/session-command.ts'
export { type GatewayCounts, handshakeOutcomes } from './gateway-counts.ts'
export { byConsole } from './handshake.ts'
export { createHealth, type Health, type HealthOptions } from './health.ts'
export {
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
  refuseUpgrade,
  type UpgradeHandler,
} from './http-server.ts'
export { isKnownHost, unknownHost } from './known-host.ts'
export type { LimitCounts, LimitName } from './limit-counts.ts'
export { type ClientAddress, clientAddress } from './limits/client-address.ts'
export { type LoadReason, LoadWatch, loadReasons } from './load/load-watch.ts'
export { createPermissions, type PermissionsOptions } from './permissions.ts'
export { PublicationCounts, publicationOutcomes } from './publication-counts.ts'
export { createRouter, type RouterOptions } from './router.ts'
export type { SessionUse } from './session-use.ts'
export type {
  Authenticator,
  ChannelGrant,
  CommandCall,
  CommandRunner,
  Credentials,
  Handshake,
  Hooks,
  Permissions,
  PublishCall,
  Requester,
  Router,
  RpcCall,
  SessionHandle,
  Sessions,
} from './types.ts'
export {
  createSocketServer,
  type SocketServer,
  type SocketServerOptions,
  type SocketUsage,
} from './websocket-server.ts'
