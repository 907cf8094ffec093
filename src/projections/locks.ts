/** Advisory locks: the first of their two keys. */

/** Over a projection's name (`hashtext`): one after the other makes, switches and drops builds. */
export const projectionLock = 1212566601

/** Over a build's id: shared by every batch until its commit, alone for whoever switches or drops it. */
export const buildLock = 1212566602

/** Of the session of the one process that follows what becomes of events. */
export const deliveryWatchLock = 1212566603
