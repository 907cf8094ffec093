-- Publishes a message unless one with the same idempotency key was published before.
--
-- KEYS[1] memory: exists while the idempotency key is remembered
-- ARGV    notAfter (milliseconds by this Redis' clock, 0 for no limit), memoryMs, bus channel, message
-- RETURN  {clock in milliseconds, 'published' | 'known' | 'late'}
local memory = KEYS[1]
local notAfter, memoryMs, channel, message = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', memory) == 1 then return { now, 'known' } end
if notAfter > 0 and now > notAfter then return { now, 'late' } end
redis.call('SET', memory, '1', 'PX', memoryMs)
redis.call('PUBLISH', channel, message)
return { now, 'published' }
