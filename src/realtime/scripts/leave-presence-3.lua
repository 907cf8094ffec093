-- Removes clients from a channel's presence.
--
-- KEYS[1] who: hash of client to '<user>\n<infos>'
-- KEYS[2] until: sorted set of client by the time it expires
-- KEYS[3] users: hash of user to the number of its clients
-- ARGV    notAfter (milliseconds by this Redis' clock, 0 for no limit); then clients
-- RETURN  {clock in milliseconds, 'done' | 'late'}
local who, untilWhen, users = KEYS[1], KEYS[2], KEYS[3]
local notAfter = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Somebody who has come back since would be gone by a call that was held up.
if notAfter > 0 and now > notAfter then return { now, 'late' } end
for i = 2, #ARGV do
  local client = ARGV[i]
  local value = redis.call('HGET', who, client)
  if value then
    redis.call('HDEL', who, client)
    local user = string.sub(value, 1, string.find(value, '\n', 1, true) - 1)
    if redis.call('HINCRBY', users, user, -1) <= 0 then redis.call('HDEL', users, user) end
  end
  redis.call('ZREM', untilWhen, client)
end
return { now, 'done' }
