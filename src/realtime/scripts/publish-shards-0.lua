-- Publishes what one node collected in one turn for the slots of one node of a Redis Cluster, in order, in one call.
-- Nothing of it when the call comes late. It has no keys, and so it is carried out here while a slot is on the move:
-- whoever listens stays subscribed here until the move ends.
--
-- KEYS   none (a bus channel is no key)
-- ARGV   notAfter: milliseconds by this Redis' clock, 0 for no limit; then pairs of bus channel and message
-- RETURN {clock, place, …}: this Redis' clock in milliseconds, negative when nothing was published because it is past
--        notAfter; then which of the pairs, from 1 on, were not published because another node serves their slot
local notAfter = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if notAfter > 0 and now > notAfter then return { -now } end
local reply = { now }
for i = 2, #ARGV, 2 do
  local receivers = redis.pcall('SPUBLISH', ARGV[i], ARGV[i + 1])
  if type(receivers) == 'table' and receivers.err then
    if string.find(receivers.err, 'cluster is down', 1, true) then
      return redis.error_reply('CLUSTERDOWN ' .. receivers.err)
    end
    reply[#reply + 1] = i / 2
  end
end
return reply
