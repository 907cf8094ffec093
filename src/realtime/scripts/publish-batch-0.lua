-- Publishes what one node collected in one turn, in order, in one call. Nothing of it when the call comes late:
-- a signal that was held up by a hung Redis is a lie by the time it arrives.
--
-- KEYS   none (a bus channel is no key)
-- ARGV   notAfter: milliseconds by this Redis' clock, 0 for no limit; then pairs of bus channel and message
-- RETURN this Redis' clock in milliseconds; negative when nothing was published because it is past notAfter
local notAfter = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if notAfter > 0 and now > notAfter then return -now end
for i = 2, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
return now
