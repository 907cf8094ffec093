-- Leaves the next place of a channel's numbering empty, because something was published there without a number: nobody
-- can recover over the hole as if nothing were missing. Those who are live are told by a message.
--
-- KEYS[1] meta: hash; 'epoch' names this life of the numbering, 'offset' is its head
-- ARGV    notAfter (milliseconds by this Redis' clock, 0 for no limit), metaTtlMs, bus channel, message head, which
--         stands before the offset
-- RETURN  {clock in milliseconds, 'skipped' | 'none' | 'late'}; none: there is no numbering, so nobody has a place
local meta = KEYS[1]
local notAfter, metaTtlMs, channel, messageHead = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if notAfter > 0 and now > notAfter then return { now, 'late' } end
local epoch = redis.call('HGET', meta, 'epoch')
if not epoch then return { now, 'none' } end
local offset = redis.call('HINCRBY', meta, 'offset', 1)
redis.call('PEXPIRE', meta, metaTtlMs)
redis.call('PUBLISH', channel, messageHead .. string.format('%.0f', offset) .. ' ' .. epoch .. '\n')
return { now, 'skipped' }
