import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { freePort } from '../services/free-port.ts'
import { choosePorts } from './ports.ts'

describe('the ports of the two nodes', () => {
  it('name the one that is taken and the variable to change', async () => {
    const base = await freePort()
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(base, '127.0.0.1', resolve))
    await expect(choosePorts({ HOLDFAST_PORT: String(base) })).rejects.toMatchObject({
      message: `port ${base} is in use by another program`,
      remedy: expect.stringContaining('HOLDFAST_PORT='),
    })
    await new Promise(resolve => taken.close(resolve))
  })

  it('are any two free ones for 0', async () => {
    const [first, second] = await choosePorts({ HOLDFAST_PORT: '0' })
    expect(first).toBeGreaterThan(0)
    expect(second).not.toBe(first)
  })

  it.each(['x', '-1', '65535', '70000', '8000.5'])('are refused where HOLDFAST_PORT is %s', async value => {
    await expect(choosePorts({ HOLDFAST_PORT: value })).rejects.toThrow('HOLDFAST_PORT: expected a port')
  })
})
