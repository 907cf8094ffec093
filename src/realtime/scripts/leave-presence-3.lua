-- Removes clients from a channel's presence.
--
-- KEYS[1] who: hash of client to '<user>\n<infos>'
-- KEYS[2] until: sorted set of client by the time it expires
-- KEYS[3] users: hash of user to the number of its clients
-- ARGV    clients
-- RETURN  how many were there
local who, untilWhen, users = KEYS[1], KEYS[2], KEYS[3]
local gone = 0
for _, client in ipairs(ARGV) do
  local value = redis.call('HGET', who, client)
  if value then
    redis.call('HDEL', who, client)
    local user = string.sub(value, 1, string.find(value, '\n', 1, true) - 1)
    if redis.call('HINCRBY', users, user, -1) <= 0 then redis.call('HDEL', users, user) end
    gone = gone + 1
  end
  redis.call('ZREM', untilWhen, client)
end
return gone
