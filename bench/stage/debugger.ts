/**
 * A full garbage collection from outside, over the debugger's protocol: memory is compared without what is only
 * waiting to be collected, and the servers need no flag that changes them. Twice: what finalizers let go of in the
 * first round goes in the second. Returns the bytes that are left in the JavaScript heap.
 */
export async function collectGarbage(debuggerUrl: string): Promise<number> {
  const socket = new WebSocket(debuggerUrl)
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error(`no debugger at ${debuggerUrl}`)), { once: true })
  })
  const ask = async (id: number, method: string): Promise<{ result?: { usedSize?: number } }> => {
    const answer = new Promise<MessageEvent>(resolve =>
      socket.addEventListener('message', resolve, { once: true }),
    )
    socket.send(JSON.stringify({ id, method }))
    return JSON.parse(String((await answer).data))
  }
  await ask(1, 'HeapProfiler.collectGarbage')
  await ask(2, 'HeapProfiler.collectGarbage')
  const usage = await ask(3, 'Runtime.getHeapUsage')
  socket.close()
  return usage.result?.usedSize ?? 0
}
