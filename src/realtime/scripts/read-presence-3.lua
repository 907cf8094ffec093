-- Tells who is present in a channel, or only how many, after removing those whose time is over.
--
-- KEYS[1] who: hash of client to '<user>\n<infos>'
-- KEYS[2] until: sorted set of client by the time it expires, in milliseconds by this Redis' clock
-- KEYS[3] users: hash of user to the number of its clients
-- ARGV    what: 'list' | 'count'
-- RETURN  list: {client, '<user>\n<infos>', …}; count: {clients, users}
local who, untilWhen, users = KEYS[1], KEYS[2], KEYS[3]
local what = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, client in ipairs(redis.call('ZRANGEBYSCORE', untilWhen, '-inf', now)) do
  local value = redis.call('HGET', who, client)
  if value then
    redis.call('HDEL', who, client)
    local user = string.sub(value, 1, string.find(value, '\n', 1, true) - 1)
    if redis.call('HINCRBY', users, user, -1) <= 0 then redis.call('HDEL', users, user) end
  end
  redis.call('ZREM', untilWhen, client)
end
if what == 'count' then return { redis.call('HLEN', who), redis.call('HLEN', users) } end
return redis.call('HGETALL', who)
