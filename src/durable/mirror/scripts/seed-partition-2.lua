--[[
  Begins a partition's mirror anew, by compare-and-set on the generation that the caller believes to be there.
  Histories of the old generation are abandoned: their keys contain it, and they expire.

  KEYS[1] meta: hash {gen, last, top, floor}
  KEYS[2] log: stream of the partition
  ARGV[1] the generation expected ('' : none)
  ARGV[2] the new generation
  ARGV[3] the first position that the mirror will cover
  ARGV[4] milliseconds meta lives after its last write

  Returns {code}:
    seeded  the mirror is empty and waits for position ARGV[3]
    raced   another generation is there
]]
local metaKey, logKey = KEYS[1], KEYS[2]
local expected, gen, floor, keyTtlMs = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if (redis.call('HGET', metaKey, 'gen') or '') ~= expected then return { 'raced' } end

redis.call('DEL', metaKey, logKey)
redis.call('HSET', metaKey, 'gen', gen, 'floor', ARGV[3], 'last', string.format('%.0f', floor - 1), 'top', '0')
redis.call('PEXPIRE', metaKey, keyTtlMs)
return { 'seeded' }
