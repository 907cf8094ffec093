export {
  encodeClientInfo,
  encodeEvent,
  encodePublication,
  publicationOf,
  pushJoin,
  pushLeave,
  pushPublication,
} from './publication.ts'
