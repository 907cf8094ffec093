// Types only: nothing of the server is loaded, and the emitted declarations need `contract/types` alone.
export type {
  ChannelOf,
  Contract,
  EventDataOf,
  EventsOf,
  EventTypeOf,
  PublishDataOf,
} from '../contract/types.ts'
