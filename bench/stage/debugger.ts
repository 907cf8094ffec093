/**
 * A full garbage collection from outside, over the debugger's protocol: memory is compared without what is only
 * waiting to be collected, and the servers need no flag that changes them. Twice: what finalizers let go of in the
 * first round goes in the second.
 */
export async function collectGarbage(debuggerUrl: string): Promise<void> {
  const socket = new WebSocket(debuggerUrl)
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error(`no debugger at ${debuggerUrl}`)), { once: true })
  })
  for (const id of [1, 2]) {
    const answered = new Promise(resolve => socket.addEventListener('message', resolve, { once: true }))
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
    await answered
  }
  socket.close()
}
