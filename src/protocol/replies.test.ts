import { describe, expect, it } from 'vitest'
import {
  connectReply,
  emptyReply,
  encodeAppended,
  errorReply,
  historyReply,
  pingLine,
  presenceReply,
  presenceStatsReply,
  pushSubscribe,
  pushUnsubscribe,
  refreshReply,
  rpcReply,
  type SubscribeResult,
  subscribeReply,
} from './replies.ts'

const plain: SubscribeResult = {
  recoverable: false,
  positioned: false,
  wasRecovering: false,
  recovered: false,
  publications: [],
}

const recovered: SubscribeResult = {
  position: { epoch: 'e', offset: 3 },
  recoverable: true,
  positioned: true,
  wasRecovering: true,
  recovered: true,
  publications: ['{"data":1,"offset":4}', '{"data":2,"offset":5}'],
  data: '{"a":1}',
  ttl: 60,
}

describe('replies', () => {
  it('leave out what is false, zero or empty', () => {
    expect(connectReply(1, { client: 'c', version: 'v', subs: new Map(), pingSeconds: 25 })).toBe(
      '{"id":1,"connect":{"client":"c","version":"v","ping":25,"pong":true}}',
    )
    expect(subscribeReply(2, plain)).toBe('{"id":2,"subscribe":{}}')
    expect(subscribeReply(2, { ...plain, position: { epoch: '', offset: 0 } })).toBe(
      '{"id":2,"subscribe":{}}',
    )
    expect(historyReply(3, { publications: [], offset: 0, epoch: 'e' })).toBe(
      '{"id":3,"history":{"epoch":"e"}}',
    )
    expect(presenceReply(4, new Map())).toBe('{"id":4,"presence":{}}')
    expect(rpcReply(5, undefined)).toBe('{"id":5,"rpc":{}}')
    expect(refreshReply(6, 'refresh', undefined)).toBe('{"id":6,"refresh":{}}')
    expect(emptyReply(7, 'publish')).toBe('{"id":7,"publish":{}}')
    expect(emptyReply(8, 'unsubscribe')).toBe('{"id":8,"unsubscribe":{}}')
  })

  it('always say both numbers of presence statistics', () => {
    expect(presenceStatsReply(1, { clients: 0, users: 0 })).toBe(
      '{"id":1,"presence_stats":{"num_clients":0,"num_users":0}}',
    )
  })

  it('carry everything there is', () => {
    const result =
      '{"expires":true,"ttl":60,"recoverable":true,"epoch":"e","offset":3,"publications":[{"data":1,"offset":4},{"data":2,"offset":5}],"recovered":true,"positioned":true,"data":{"a":1},"was_recovering":true}'
    expect(subscribeReply(2, recovered)).toBe(`{"id":2,"subscribe":${result}}`)
    expect(
      connectReply(1, {
        client: 'c',
        version: 'v',
        ttl: 9,
        subs: new Map([['n:"', recovered]]),
        pingSeconds: 1,
      }),
    ).toBe(
      `{"id":1,"connect":{"client":"c","version":"v","expires":true,"ttl":9,"subs":{"n:\\"":${result}},"ping":1,"pong":true}}`,
    )
    expect(historyReply(3, { publications: ['{"data":1}'], offset: 9, epoch: 'e', floor: 4 })).toBe(
      '{"id":3,"history":{"publications":[{"data":1}],"epoch":"e","offset":9,"floor":4}}',
    )
    expect(
      presenceReply(4, new Map([['c1', { user: 'u', client: 'c1', connInfo: '{"n":1}', chanInfo: '[2]' }]])),
    ).toBe(
      '{"id":4,"presence":{"presence":{"c1":{"user":"u","client":"c1","conn_info":{"n":1},"chan_info":[2]}}}}',
    )
    expect(rpcReply(5, '{"x": 1.0}')).toBe('{"id":5,"rpc":{"data":{"x": 1.0}}}')
    expect(refreshReply(6, 'sub_refresh', 7)).toBe('{"id":6,"sub_refresh":{"expires":true,"ttl":7}}')
    expect(encodeAppended({ offset: 1, epoch: 'e', id: 'i', time: 5, duplicate: false })).toBe(
      '{"offset":1,"epoch":"e","id":"i","time":5,"duplicate":false}',
    )
  })

  it('say of an error whether it is temporary', () => {
    expect(errorReply(1, { code: 103, message: 'permission denied', temporary: false })).toBe(
      '{"id":1,"error":{"code":103,"message":"permission denied"}}',
    )
    expect(errorReply(1, { code: 100, message: 'internal server error', temporary: true })).toBe(
      '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    )
  })
})

describe('pushes', () => {
  it('carry no id', () => {
    expect(pingLine).toBe('{}')
    expect(pushUnsubscribe('c', 2500, 'insufficient state')).toBe(
      '{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    )
    expect(pushSubscribe('c', recovered)).toBe(
      '{"push":{"channel":"c","subscribe":{"recoverable":true,"epoch":"e","offset":3,"positioned":true,"data":{"a":1}}}}',
    )
    expect(pushSubscribe('c', plain)).toBe('{"push":{"channel":"c","subscribe":{}}}')
  })
})
