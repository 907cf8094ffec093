export type { AuthenticateHook, Identity } from './auth/authenticate-hook.ts'
export { type AuthenticatorOptions, createAuthenticator } from './auth/authenticator.ts'
export { createToken, type TokenRequest } from './auth/create-token.ts'
export type { Authorization, AuthorizeCall, AuthorizeHook } from './authorize-hook.ts'
export { createPermissions, type PermissionsOptions } from './permissions.ts'
export type {
  Authenticator,
  ChannelGrant,
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
