export { projectionActs } from './acts.ts'
export { builtInProjections } from './built-in/built-in.ts'
export { type BuiltInOptions, channelActivity, perMinuteNow } from './built-in/channel-activity.ts'
export { startDeliveryWatch } from './built-in/delivery-watch.ts'
export { quakesByRegion } from './built-in/quakes-by-region.ts'
export { defineProjection } from './define.ts'
export { type ChangeHooksOptions, createChangeHooks } from './live/change-hooks.ts'
export type { ChangeOutlet } from './live/change-outlet.ts'
export { checkOwnChanges } from './live/own-changes.ts'
export type { ProjectionHandle, ReadOptions, ReducerHandle } from './reading/handle.ts'
export { type ProjectionOperations, projectionOperations } from './reading/projection-operations.ts'
export type { BuildReport, Progress, ProjectionReport } from './reading/projection-report.ts'
export type { ReadModels } from './reading/read-models.ts'
export { openReads, type Reads, type ReadsOptions } from './reading/reads.ts'
export type { AtLeast } from './reading/row-query.ts'
export { defineReducer, type StatesTables } from './reducer.ts'
export { ProjectionRunner } from './runner.ts'
export { declareBatchSink } from './sink/batch-sink.ts'
export type { BatchSink, BatchSinkOptions, BatchSinkStatus } from './sink/types.ts'
export type {
  ApplyContext,
  Build,
  BuildState,
  BuildTable,
  ChangesTo,
  Projection,
  ProjectionDb,
  ProjectionDefinition,
  ProjectionEvent,
  ProjectionSettings,
  ProjectionTables,
  ReducedState,
  Reducer,
  ReducerDefinition,
  RowChange,
  TableMaker,
} from './types.ts'
