/** Advisory locks: the first of their two keys. */

/** Over a projection's name (`hashtext`): one after the other makes, switches and drops builds. */
export const projectionLock = 1212566601

/** Over a build's id: shared by every batch until its commit, alone for whoever switches or drops it. */
export const buildLock = 1212566602
