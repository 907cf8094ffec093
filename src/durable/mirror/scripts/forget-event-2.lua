--[[
  Removes the copies of an erased event from a partition's mirror. Where the log may have it, the mirror begins anew
  behind the event, and not before it: a range that was read before the erasure and comes late is skipped as known.

  KEYS[1] meta: hash {gen, last, top, floor}; the history's key ({tag}:h:<gen>:<channel>) is made from it
  KEYS[2] log: stream of the partition
  ARGV[1] channel
  ARGV[2] position of the event
  ARGV[3] the generation to begin with
  ARGV[4] the first position it will cover, above ARGV[2]
  ARGV[5] milliseconds meta lives after its last write

  Returns {code}:
    forgotten  the log does not cover the event; its channel's history is gone
    reseeded   the mirror waits for position ARGV[4]
]]
local metaKey, logKey = KEYS[1], KEYS[2]
local channel, position = ARGV[1], tonumber(ARGV[2])
local gen, floor, keyTtlMs = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local prefix = string.sub(metaKey, 1, -5)

local meta = redis.call('HMGET', metaKey, 'gen', 'floor')
local oldGen, oldFloor = meta[1], tonumber(meta[2] or '')
if oldGen then redis.call('DEL', prefix .. 'h:' .. oldGen .. ':' .. channel) end
local covers = not (oldGen and oldFloor) or oldFloor <= position
if covers then
  redis.call('DEL', metaKey, logKey)
  redis.call('HSET', metaKey, 'gen', gen, 'floor', ARGV[4], 'last', string.format('%.0f', floor - 1), 'top', '0')
  redis.call('PEXPIRE', metaKey, keyTtlMs)
end
-- Nodes let go of what they hold of the channel in memory.
redis.call('PUBLISH', prefix .. 'notice', 'forget ' .. channel)
return { covers and 'reseeded' or 'forgotten' }
