-- Notes clients as present in a channel until a time from now; for those already present only the time moves.
--
-- KEYS[1] who: hash of client to '<user>\n<infos>', both JSON
-- KEYS[2] until: sorted set of client by the time it expires, in milliseconds by this Redis' clock
-- KEYS[3] users: hash of user to the number of its clients
-- ARGV    notAfter (milliseconds by this Redis' clock, 0 for no limit), ttlMs; then triples of client, user, infos
-- RETURN  {clock in milliseconds, 'done' | 'late'}
local who, untilWhen, users = KEYS[1], KEYS[2], KEYS[3]
local notAfter, ttlMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Somebody who has left since would be back by a call that was held up.
if notAfter > 0 and now > notAfter then return { now, 'late' } end
local ends = now + ttlMs
-- Where one of the three was evicted the others no longer fit; the nodes' refreshes fill them again.
local found = redis.call('EXISTS', who, untilWhen, users)
if found > 0 and found < 3 then redis.call('DEL', who, untilWhen, users) end
for i = 3, #ARGV, 3 do
  local client, user, infos = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HSET', who, client, user .. '\n' .. infos) == 1 then redis.call('HINCRBY', users, user, 1) end
  redis.call('ZADD', untilWhen, ends, client)
end
redis.call('PEXPIRE', who, ttlMs)
redis.call('PEXPIRE', untilWhen, ttlMs)
redis.call('PEXPIRE', users, ttlMs)
return { now, 'done' }
