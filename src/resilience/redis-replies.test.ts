import { describe, expect, it } from 'vitest'
import { blamesRedis } from './redis-replies.ts'

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

describe('of what Redis says', () => {
  it.each([
    ['LOADING Redis is loading the dataset in memory', true, true],
    ['MASTERDOWN Link with MASTER is down', true, true],
    ['CLUSTERDOWN The cluster is down', true, true],
    ['BUSY Redis is busy running a script', true, true],
    ['NOAUTH Authentication required.', true, true],
    ['ERR max number of clients reached', true, true],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'at once', false],
    ['MISCONF Redis is configured to save RDB snapshots', 'at once', false],
    ["READONLY You can't write against a read only replica.", 'at once', false],
    ['NOREPLICAS Not enough good replicas to write.', 'at once', false],
    [
      'ERR Error running script (call to f_0): @user_script:3: @user_script: 3: -OOM command not allowed',
      'at once',
      false,
    ],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', false, false],
    ['NOSCRIPT No matching script. Please use EVAL.', false, false],
    ['NOPERM this user has no permissions', false, false],
    ["ERR value 'OOM LOADING' is not an integer", false, false],
    ['ERR Error running script (call to f_0): @user_script:1: OOM is the name of a room', false, false],
  ])('%s: %s for who writes, %s for who publishes', (message, write, publish) => {
    expect(blamesRedis('write')(reply(message))).toBe(write)
    expect(blamesRedis('publish')(reply(message))).toBe(publish)
  })
})

it('a connection’s failure speaks against it, an error of unknown origin may, a job’s own number does not', () => {
  const blames = blamesRedis('write')
  expect(blames(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toBe(true)
  expect(blames(Object.assign(new Error('x'), { name: 'MaxRetriesPerRequestError' }))).toBe(true)
  expect(blames(new Error('Connection is closed.'))).toBe('unsure')
  expect(blames(Object.assign(new Error('Missing key for job 1'), { code: -1 }))).toBe(false)
})
